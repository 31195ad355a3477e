"""Python and the libraries against what the installed package asks for."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from transferlab.pipeline.environment.check import Check

PACKAGE = "transferlab"
EXTRAS = {
    "privacy": "privacy.text and the search for burned-in text",
    "quantization": "backbone.quantization, which also needs a GPU",
    "huggingface": "source.kind: huggingface",
    "webdataset": "source.kind: webdataset",
    "serving": "transferlab serve",
    "timm": "the vision tower of Gemma 3n",
}
"""The extras that users install, and what needs them."""
SHOWN = ("torch", "transformers", "peft", "avalanche-lib", "mlflow")
"""Libraries whose versions are said where all is well: numbers depend on them."""

FindVersion = Callable[[str], str]
"""The installed version of a distribution; raises PackageNotFoundError where there is none."""


def check_libraries() -> Iterator[Check]:
    """Python, what transferlab requires, and each extra, from the installed package's metadata."""
    try:
        metadata = distribution(PACKAGE)
    except PackageNotFoundError:
        yield Check(
            name="libraries",
            status="problem",
            found=f"{PACKAGE} is imported from a folder and not installed: what it requires is "
            "not known",
            advice="pip install -e . in the checkout, or pip install the wheel",
        )
        return
    yield compare_python(metadata.metadata["Requires-Python"], platform.python_version())
    requirements = [Requirement(text) for text in metadata.requires or []]
    yield compare_libraries(requirements)
    yield from compare_extras(requirements)


def compare_python(wanted: str, found: str) -> Check:
    """A Python version against a specifier such as ``>=3.11,<3.14``."""
    fits = SpecifierSet(wanted).contains(found, prereleases=True)
    return Check(
        name="python",
        status="ok" if fits else "problem",
        found=f"{found} ({wanted} is supported)",
        advice="" if fits else f"make a virtual environment with a Python {wanted}",
    )


def compare_libraries(
    requirements: Sequence[Requirement], find_version: FindVersion = version
) -> Check:
    """What every installation needs: installed, and within its bounds?

    Args:
        requirements: the package's, extras included.
        find_version: as above.
    """
    needed = [one for one in requirements if _applies(one, extra="")]
    versions, faults = _compare(needed, find_version)
    if faults:
        return Check(
            name="libraries",
            status="problem",
            found="; ".join(faults.values()),
            advice=f"pip install {' '.join(_quoted(one) for one in needed if one.name in faults)}",
            details=versions,
        )
    shown = ", ".join(f"{name} {versions[name]}" for name in SHOWN if name in versions)
    return Check(
        name="libraries",
        status="ok",
        found=f"{len(needed)} installed and within their bounds ({shown})",
        details=versions,
    )


def compare_extras(
    requirements: Sequence[Requirement], find_version: FindVersion = version
) -> Iterator[Check]:
    """Each extra: all of its libraries there? Arguments as above."""
    for extra, purpose in EXTRAS.items():
        own = [
            one
            for one in requirements
            if _applies(one, extra=extra) and not _applies(one, extra="")
        ]
        versions, faults = _compare(own, find_version)
        absent = len(faults) == len(own) and not any(versions.values())
        said = "not installed" if absent else "; ".join(faults.values())
        yield Check(
            name=f"extra {extra}",
            status="note" if faults else "ok",
            found=said if faults else "installed",
            advice=f"for {purpose}: pip install '{PACKAGE}[{extra}]'" if faults else "",
            details=versions,
        )


def _compare(
    requirements: Sequence[Requirement], find_version: FindVersion
) -> tuple[dict[str, str | None], dict[str, str]]:
    """By library, its version (None where it is missing), and what is wrong with it."""
    versions: dict[str, str | None] = {}
    faults: dict[str, str] = {}
    for one in requirements:
        try:
            versions[one.name] = found = find_version(one.name)
        except PackageNotFoundError:
            versions[one.name] = None
            faults[one.name] = f"{one.name} is missing"
            continue
        if not one.specifier.contains(found, prereleases=True):
            faults[one.name] = f"{one.name} {found} is not {one.specifier}"
    return versions, faults


def _applies(requirement: Requirement, *, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _quoted(requirement: Requirement) -> str:
    """As pip takes it from a shell."""
    return f"'{requirement.name}{requirement.specifier}'"
