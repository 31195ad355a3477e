"""The table of families in docs/backbones.md: parameters of the tiny model, and seconds of CPU.

    python benchmarks/families.py

Runs the battery over every family and exits with pytest's code.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1] / "tests" / "unit" / "backbone"


class Meter:
    """Seconds of CPU by family, fixtures included."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        started = time.process_time()
        result = yield
        family = item.callspec.params.get("family") if hasattr(item, "callspec") else None
        if family is not None:
            self.seconds[family] += time.process_time() - started
        return result


def main() -> int:
    meter = Meter()
    code = pytest.main(["-q", "-p", "no:cacheprovider", str(TESTS / "test_families.py")], [meter])
    from family_cases import FAMILIES, NEEDS  # on the path since the tests were collected

    print("\n| family | parameters of the tiny model | seconds of CPU |\n|---|---|---|")
    for name, make in FAMILIES.items():
        if name in NEEDS and find_spec(NEEDS[name]) is None:
            print(f"| `{name}` | needs {NEEDS[name]}, which is not installed | - |")
            continue
        model, _ = make()
        parameters = sum(parameter.numel() for parameter in model.parameters())
        print(f"| `{name}` | {parameters:,} | {meter.seconds[name]:.1f} |")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
