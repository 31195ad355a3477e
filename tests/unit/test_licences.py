"""No requirement of the package is under a strong copyleft licence, nor under an unknown one."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

STRONG = re.compile(r"\b(A?GPL|GNU (Affero )?General Public)", re.I)
WEAK = re.compile(r"\bLGPL|Lesser General Public", re.I)
KNOWN = {
    # Distributions whose metadata name no licence; what their repositories or makers say.
    "cuda-toolkit": "NVIDIA CUDA end user licence: proprietary, may be redistributed",
    "huey": "MIT",
}
EXTRAS = ("privacy", "webdataset", "huggingface", "timm")


def licence_of(found: Distribution) -> str:
    """What a distribution says of its licence: an expression, a short text, or classifiers."""
    metadata = found.metadata
    said = [metadata.get("License-Expression") or ""]
    if not said[0]:
        said += [
            one.rpartition(" :: ")[2]
            for one in metadata.get_all("Classifier") or []
            if one.startswith("License :: ")
        ]
        # Some put the whole text there; its title says enough.
        said.append((metadata.get("License") or "").strip().partition("\n")[0])
    return "; ".join(one for one in said if one)


def requirements_of(name: str, extras: tuple[str, ...] = ()) -> set[str]:
    """The installed distributions that ``name`` requires, directly or not, by canonical name."""
    found: set[str] = set()
    todo = [(name, extras)]
    while todo:
        own, wanted = todo.pop()
        for text in distribution(own).requires or []:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is not None and not any(marker.evaluate({"extra": e}) for e in ("", *wanted)):
                continue
            needed = canonicalize_name(requirement.name)
            if needed not in found:
                found.add(needed)
                todo.append((needed, tuple(requirement.extras)))
    return found


REQUIRED = sorted(requirements_of("transferlab", EXTRAS) - {"transferlab"})


def test_requirements_are_found():
    assert {"torch", "pydicom", "python-gdcm", "presidio-analyzer"} <= set(REQUIRED)
    assert len(REQUIRED) > 100


@pytest.mark.parametrize("name", REQUIRED)
def test_a_requirement_may_be_used_by_an_apache_licensed_platform(name):
    try:
        said = KNOWN.get(name) or licence_of(distribution(name))
    except PackageNotFoundError:
        pytest.skip("not installed on this platform")
    assert said, f"{name} names no licence; look it up and add it to KNOWN"
    choices = re.split(r"\bOR\b", said)  # of several one may be chosen
    assert any(not STRONG.search(WEAK.sub("", one)) for one in choices), f"{name}: {said}"


@pytest.mark.parametrize(
    ("said", "strong"),
    [
        ("GPL-3.0-only", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("AGPL-3.0", True),
        ("LGPL-2.1-or-later", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("BSD-3-Clause", False),
    ],
)
def test_strong_copyleft_is_recognised(said, strong):
    assert bool(STRONG.search(WEAK.sub("", said))) == strong
