import pytest
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.text import squad

from transferlab.metrics.text import answer_tokens, exact_match, token_f1

PAIRS = [
    ("The heart is enlarged.", "heart is enlarged"),
    ("a small left-sided effusion", "Left sided effusion, small"),
    ("no finding", "pneumothorax"),
    ("nodule nodule", "nodule"),
    ("the nodule", "nodule nodule mass"),
    ("Force = mass * acceleration", "mass times acceleration"),
    ("an  apple\n a day", "apple day"),
]


@pytest.mark.parametrize(("text", "answer"), PAIRS)
def test_agrees_with_torchmetrics_squad(text, answer):
    found = squad(
        [{"prediction_text": text, "id": "1"}],
        [{"answers": {"answer_start": [0], "text": [answer]}, "id": "1"}],
    )
    assert token_f1(text, answer) == pytest.approx(found["f1"].item() / 100, abs=1e-6)
    assert exact_match(text, answer) == found["exact_match"].item() / 100


def test_an_answer_that_is_only_an_article_or_a_sign_is_not_empty():
    assert answer_tokens("A") == ["a"]
    assert answer_tokens("+") == ["+"]
    assert exact_match("", "A") == 0.0
    assert token_f1("", "A") == 0.0
    assert exact_match("a", "A.") == 1.0


@given(st.text(), st.text())
def test_token_f1_is_symmetric_bounded_and_one_for_equal_texts(one, two):
    value = token_f1(one, two)
    assert 0.0 <= value <= 1.0
    assert value == token_f1(two, one)
    assert token_f1(one, one) == 1.0
    assert exact_match(one, two) <= value
