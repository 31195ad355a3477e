"""Imports go down only, inside units too; no two files import each other; libraries have doors."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "transferlab"

LAYERS = [  # bottom first; a unit may import layers below its own, and no sibling
    {"errors"},
    {"core"},
    {"config", "metrics", "worlds"},
    {"tiny"},
    {"domain", "backbone", "continual", "evaluation", "tracking", "export"},
    {"pipeline"},
    {"reporting"},
    {"studies"},
    {"api", "cli"},
    {"__main__", "__init__"},
]
RANK = {unit: rank for rank, layer in enumerate(LAYERS) for unit in layer}

ROOMS = {  # bottom first: a room is a folder, or a file beside the folders
    "domain": [
        {"base"},
        {"catalog", "data_root"},
        {"privacy"},
        {"media"},
        {"tables"},
        {"rows"},
        {"sources"},
        {"samples"},
        {"handle", "splits"},
        {"loader", "validation"},
        {"onboarding", "download"},
    ],
    "backbone": [
        {"base"},
        {"processing"},
        {"model"},
        {"inference"},
        {"hf"},
        {"contrastive"},
        {"loader"},
        {"reload"},
    ],
    "continual": [
        {"avalanche_api", "output_tap", "options"},
        {"components"},
        {"strategies"},
        {"engine"},
    ],
}
ROOM_RANK = {
    f"{unit}/{room}": rank
    for unit, rooms in ROOMS.items()
    for rank, layer in enumerate(rooms)
    for room in layer
}

MAX_FILES = 15
"""In a folder, ``__init__.py`` not counted."""
LONG_ROOMS = {"continual/strategies"}
"""One file per method is the rule there, however many methods there are."""

DOORS = {
    "yaml": ("config/yaml_text.py",),
    "peft": ("backbone/model/adapters.py", "backbone/model/adapter_files.py"),
    "avalanche": ("continual/avalanche_api.py",),
    "transformers": ("backbone/", "export/", "tiny/", "continual/engine/optimizer.py"),
    "tokenizers": ("backbone/", "tiny/"),
    "pydicom": ("domain/", "worlds/"),
    "monai": ("domain/",),
    "av": ("core/libav.py", "domain/", "worlds/"),
    "webvtt": ("domain/", "worlds/"),
    "pyarrow": ("domain/",),
    "httpx": ("domain/",),
    "imagehash": ("domain/",),
    "datasketch": ("domain/",),
    "dicomanonymizer": ("domain/privacy/dicom_profile.py",),
    "mlflow": ("tracking/", "export/", "pipeline/use/pyfunc.py"),
    "ot": ("metrics/similarities/otdd.py",),
    "jinja2": ("pipeline/", "reporting/", "backbone/processing/chat.py"),
    "matplotlib": ("tracking/", "reporting/figures.py", "tiny/"),
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
    if unit not in RANK:
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


def room_of(here: str) -> str:
    """The folder of a file inside its unit, or the file itself where it lies beside the folders."""
    unit, _, rest = here.partition("/")
    return f"{unit}/{rest.partition('/')[0].removesuffix('.py')}"


def upward_rooms(here: str, source: str) -> Iterator[str]:
    """Imports from one room of a unit to a room that is not below it."""
    own = room_of(here)
    for name in imports(source, where=here):
        parts = name.split(".")
        if parts[0] != "transferlab" or len(parts) < 3 or parts[1] != here.split("/")[0]:
            continue
        other = f"{parts[1]}/{parts[2]}"
        if other in ROOM_RANK and other != own:
            low, high = ROOM_RANK[other], ROOM_RANK.get(own, -1)
            beside = own in SAME_RANK.get(other, ())
            if low >= high and not beside:
                yield f"{here} imports {name}: {own} may not reach {other}"


SAME_RANK = {"domain/catalog": ("domain/data_root",)}
"""The folder of a domain's data is found from its entry."""


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Files that reach themselves through what they import, as sorted lists."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            members = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(members) > 1:
                found.append(sorted(members))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def import_graph() -> dict[str, set[str]]:
    """By module, the modules of the package that it imports, types and inner imports too."""
    modules = {
        ".".join(("transferlab", *file.relative_to(PACKAGE).with_suffix("").parts)): file
        for file in PACKAGE.rglob("*.py")
        if file.name != "__init__.py"
    }
    graph: dict[str, set[str]] = {}
    for module, file in modules.items():
        tree = ast.parse(file.read_text("utf-8"))
        targets = {
            name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
            for name in (node.module, f"{node.module}.{alias.name}")
        }
        graph[module] = (targets & modules.keys()) - {module}
    return graph


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


def test_rooms_of_a_unit_import_downwards_only():
    rooms = {
        room_of(file.relative_to(PACKAGE).as_posix())
        for unit in ROOMS
        for file in (PACKAGE / unit).rglob("*.py")
    }
    unnamed = {room for room in rooms if not room.endswith("/__init__")} - ROOM_RANK.keys()
    assert unnamed == set(), "a room without a rank; add it to ROOMS"
    assert set(ROOM_RANK) <= rooms, "a room is missing; this test would pass on nothing"
    found = [
        violation
        for file in sorted(PACKAGE.rglob("*.py"))
        for violation in upward_rooms(file.relative_to(PACKAGE).as_posix(), file.read_text("utf-8"))
    ]
    assert found == []


def test_no_files_import_each_other():
    graph = import_graph()
    assert sum(map(len, graph.values())) > 500, "too few imports found; has the package moved?"
    assert circles(graph) == []


def test_a_circle_is_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_folders_stay_small():
    counts = {
        folder.relative_to(PACKAGE).as_posix(): len(
            [file for file in folder.glob("*.py") if file.name != "__init__.py"]
        )
        for folder in PACKAGE.rglob("*")
        if folder.is_dir()
    }
    assert {
        folder: count
        for folder, count in counts.items()
        if count > MAX_FILES and folder not in LONG_ROOMS
    } == {}


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
        "charset_normalizer": "charset-normalizer",
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
