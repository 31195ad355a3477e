"""Benchmarks are not run by the tests, but what they import must still be there."""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = sorted(Path(__file__).parents[1].glob("*.py"))


def test_there_are_benchmarks():
    assert len(BENCHMARKS) >= 10


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_what_a_benchmark_imports_of_the_package_exists(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("transferlab"):
            module = import_module(node.module)
            for name in (alias.name for alias in node.names):
                # It may be a submodule that nothing has imported yet.
                assert hasattr(module, name) or find_spec(f"{node.module}.{name}"), name
