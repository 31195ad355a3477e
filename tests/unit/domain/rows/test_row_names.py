"""What a medium is called when it cannot be read any more: its row, never its file."""

import pytest
from domain_cases import write_domain

from transferlab.domain.loader import load_domain
from transferlab.domain.media.decoder import decode
from transferlab.errors import DataError


def test_a_medium_that_breaks_later_is_named_by_its_row(tmp_path):
    data = load_domain(write_domain(tmp_path / "d"))
    broken = data.splits["train"][0].media[0]
    broken.path.write_bytes(b"no picture any more")
    with pytest.raises(DataError) as caught:
        decode(broken)
    assert str(caught.value).startswith("metadata.csv row ")
    assert broken.path.name not in str(caught.value)
