"""The pipelines that come with transferlab, and how what a user typed becomes a file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from transferlab.core.registry import did_you_mean
from transferlab.errors import InputError, UnknownName

YAML_SUFFIXES = (".yaml", ".yml")


def shipped_pipelines() -> dict[str, Path]:
    """The pipelines of the installed package, or of the checkout that it is imported from."""
    package = Path(str(resources.files("transferlab")))
    folders = (package / "content" / "pipelines", package.parent / "pipelines")
    folder = next((found for found in folders if found.is_dir()), None)
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_pipeline(given: str) -> Path:
    """The file that a user means: a path, or the bare name of a shipped pipeline.

    Raises:
        InputError: a path to a file that does not exist.
        UnknownName: a name that no shipped pipeline has.
    """
    path = Path(given)
    if path.is_file():
        return path
    shipped = shipped_pipelines()
    looks_like_path = path.suffix in YAML_SUFFIXES or len(path.parts) != 1
    if not looks_like_path and given in shipped:
        return shipped[given]
    if not looks_like_path:
        known = ", ".join(shipped) or "none"
        raise UnknownName(
            f"there is no pipeline '{given}'.{did_you_mean(given, list(shipped))} "
            f"Shipped pipelines: {known}; a file of yours is named by its path"
        )
    if path.stem in shipped:
        raise InputError(
            f"{given}: there is no such file; a pipeline of this name comes with transferlab: "
            f"`transferlab run {path.stem}`"
        )
    raise InputError(f"{given}: there is no such file")
