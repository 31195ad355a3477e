import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferlab.domain.base.rows import BadRow
from transferlab.domain.base.template import (
    check_columns,
    check_marks,
    columns_of,
    fill,
    with_slots,
)
from transferlab.errors import InputError


def test_columns_are_filled_and_values_are_not_templates():
    row = {"age": "61", "note": "{age} {file.__class__}"}
    assert fill("Age {age}: {note} {{literal}}", row) == "Age 61: {age} {file.__class__} {literal}"


@pytest.mark.parametrize(
    "template",
    ["{a.__class__}", "{a[0]}", "{a!r}", "{a:>10}", "{}", "{0}", "{a", "a}", "{a:{b}}"],
)
def test_whatever_is_more_than_a_column_is_refused(template):
    with pytest.raises(InputError, match=r"domain\.yaml: tasks\.t\.prompt"):
        columns_of(template, where="domain.yaml: tasks.t.prompt")


@given(st.text(alphabet="ab{}[].!:0 ", max_size=12))
def test_no_template_raises_anything_else(template):
    try:
        columns = columns_of(template, where="x")
    except InputError:
        return
    filled = fill(template, dict.fromkeys(columns, "v"))
    assert isinstance(filled, str)


def test_a_row_without_the_column_is_a_bad_row():
    with pytest.raises(BadRow, match="the column 'note' is missing"):
        fill("{note}", {"age": "1"})


def test_an_unknown_column_names_the_nearest():
    with pytest.raises(InputError, match=r"no column 'nott'\. Did you mean 'note'"):
        check_columns(["nott"], {"note", "age"}, where="x")


def test_media_marks():
    prompt = "<image> and <prior>\nin words"
    check_marks(prompt, {"image", "prior"}, where="x")
    assert with_slots(prompt) == "<image> and <image>\nin words"
    with pytest.raises(InputError, match="'<prior>' is not a medium"):
        check_marks(prompt, {"image"}, where="x")
