"""The file that says that a run has ended."""

import json

import pytest

from transferlab.errors import InputError
from transferlab.pipeline.export import export_result
from transferlab.pipeline.result import retire_result, write_result


def test_an_earlier_result_is_put_aside(tmp_path):
    retire_result(tmp_path)  # nothing there
    write_result(tmp_path, {"value": 1})
    retire_result(tmp_path)
    assert not (tmp_path / "result.json").exists()
    assert json.loads((tmp_path / "result.previous.json").read_text("utf-8")) == {"value": 1}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "holds no result.json"),
        ("{", "is not JSON"),
        ("{}", "schema_version None, not 1"),
        ("[]", "schema_version None, not 1"),
    ],
)
def test_what_is_no_result_is_not_exported(tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "result.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match=sentence):
        export_result(tmp_path, None)
