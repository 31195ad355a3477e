"""What a folder holds that can be read only after something has been done to it."""

import pytest

from transferlab.domain.onboarding.survey import survey
from transferlab.errors import InputError


@pytest.mark.parametrize("name", ["export.zip", "all.7z", "a.tar.gz", "a.tgz", "A.ZIP", "a.tar.xz"])
def test_an_archive_is_named_with_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=f"{name} is an archive: unpack it"):
        survey(tmp_path)
