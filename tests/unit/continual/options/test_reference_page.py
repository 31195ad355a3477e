"""docs/strategies.md says what the registry says."""

from pathlib import Path

from transferlab.continual.options.reference_page import MARK, describe, strategies_page
from transferlab.continual.options.registry import OPTIONS
from transferlab.continual.options.unsupported import EXCLUDED

PAGE = Path(__file__).parents[4] / "docs" / "strategies.md"


def test_the_page_is_made_from_the_registry():
    page = PAGE.read_text("utf-8")
    assert page == strategies_page(page), (
        "a strategy has changed: "
        "python -m transferlab.continual.options.reference_page docs/strategies.md"
    )
    assert page.count(MARK) == 1


def test_every_strategy_and_option_is_on_the_page():
    page = strategies_page("")
    for name, options in OPTIONS.items():
        assert f"\n## {name}\n" in page
        assert [key for key in options.model_fields if f"| `{key}` |" not in page] == []
    assert [name for name in EXCLUDED if f"| `{name}` |" not in page] == []


def test_what_is_described_is_plain_and_says_what_is_needed():
    one = describe("replay")
    assert one["needs"][0] == "a memory of past samples (their ids)"
    assert one["facts"]["past_samples"] is True
    assert one["options"]["memory_samples"]["default"] == 200
