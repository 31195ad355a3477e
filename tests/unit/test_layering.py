"""Imports go down only, siblings do not meet, and each third-party library has its door."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "transferlab"

LAYERS = [  # bottom first; a unit may import layers below its own, and no sibling
    {"errors"},
    {"core"},
    {"config", "metrics"},
    {"domain", "backbone", "continual", "evaluation", "tracking", "export"},
    {"pipeline"},
    {"cli"},
    {"__main__"},
]
RANK = {unit: rank for rank, layer in enumerate(LAYERS) for unit in layer}

DOORS = {
    "yaml": ("config/yaml_text.py",),
    "peft": ("backbone/model/adapters.py",),
    "avalanche": ("continual/",),
    "transformers": ("backbone/", "export/"),
    "tokenizers": ("backbone/",),
    "pydicom": ("domain/",),
    "monai": ("domain/",),
    "av": ("domain/",),
    "webvtt": ("domain/",),
    "pyarrow": ("domain/",),
    "httpx": ("domain/",),
    "imagehash": ("domain/",),
    "datasketch": ("domain/",),
    "dicomanonymizer": ("domain/privacy/dicom_profile.py",),
    "jinja2": ("pipeline/",),
    "mlflow": ("tracking/", "export/"),
    "matplotlib": ("tracking/",),
    "typer": ("cli/",),
    "rich": ("cli/",),
}


def imports(source: str, *, where: str) -> Iterator[str]:
    """Absolute names imported anywhere in a file, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                yield f"relative import in {where}, line {node.lineno}: write it in full"
            elif node.module == "transferlab":
                yield from (f"transferlab.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def violations(here: str, source: str) -> Iterator[str]:
    """What a file may not import; ``here`` is its path inside the package."""
    unit = here.split("/")[0].removesuffix(".py")
    if unit not in RANK and unit != "__init__":
        yield f"{here}: '{unit}' has no layer; add it to LAYERS and to docs"
        return
    for name in imports(source, where=here):
        top, _, rest = name.partition(".")
        target = rest.split(".")[0]
        if name.startswith("relative import"):
            yield name
        elif top == "transferlab" and target in RANK and target != unit:
            if RANK[target] >= RANK.get(unit, 0):
                yield f"{here} imports {name}: {unit} may not reach {target}"
        elif not here.startswith(DOORS.get(top, "")):
            yield f"{here} imports {top}: only {', '.join(DOORS[top])} may"


def test_the_package_keeps_its_layers_and_doors():
    files = sorted(PACKAGE.rglob("*.py"))
    units = {file.relative_to(PACKAGE).parts[0].removesuffix(".py") for file in files}
    assert set(RANK) <= units, "a unit is missing; this test would pass on nothing"
    found = [
        violation
        for file in files
        for violation in violations(file.relative_to(PACKAGE).as_posix(), file.read_text("utf-8"))
    ]
    assert found == []


def test_every_door_is_used():
    used = {
        name.partition(".")[0]
        for file in PACKAGE.rglob("*.py")
        for name in imports(file.read_text("utf-8"), where=file.name)
    }
    assert set(DOORS) - used == set(), "remove the doors that nobody goes through"


@pytest.mark.parametrize(
    ("here", "source"),
    [
        ("core/x.py", "import transferlab.config.yaml_sections"),
        ("core/x.py", "from transferlab import config"),
        ("domain/x.py", "def f():\n    from transferlab.backbone.loader import load_backbone"),
        ("pipeline/x.py", "from transferlab.cli import main"),
        ("metrics/x.py", "from transferlab.config.yaml_sections import load_yaml"),
        ("core/x.py", "from . import records"),
        ("domain/x.py", "import yaml"),
        ("backbone/loader.py", "from peft import LoraConfig"),
        ("pipeline/x.py", "import mlflow.tracking"),
        ("extra/x.py", ""),
    ],
)
def test_a_violation_is_seen(here, source):
    assert len(list(violations(here, source))) == 1


@pytest.mark.parametrize(
    ("here", "source"),
    [
        ("core/x.py", "from transferlab.errors import InputError"),
        ("core/x.py", "from transferlab import __version__"),
        ("pipeline/x.py", "from transferlab.domain.loader import load_domain"),
        ("export/x.py", "import mlflow"),
        ("backbone/model/adapters.py", "import peft"),
        ("__init__.py", ""),
    ],
)
def test_what_is_allowed_is_not_reported(here, source):
    assert list(violations(here, source)) == []


def test_only_declared_libraries_are_imported():
    declared = (PACKAGE.parent / "pyproject.toml").read_text("utf-8")
    renamed = {"yaml": "pyyaml", "PIL": "pillow", "sklearn": "scikit-learn", "webvtt": "webvtt-py"}
    renamed |= {
        "avalanche": "avalanche-lib",
        "pynvml": "nvidia-ml-py",
        "dicomanonymizer": "dicom-anonymizer",
    }
    undeclared = {
        top
        for file in PACKAGE.rglob("*.py")
        for name in imports(file.read_text("utf-8"), where=file.name)
        if (top := name.partition(".")[0]) not in {"transferlab", *sys.stdlib_module_names}
        and f'"{renamed.get(top, top)}' not in declared
    }
    # transformers itself requires the first two, mlflow the last.
    assert undeclared - {"tokenizers", "huggingface_hub", "sqlalchemy"} == set()
