"""What is written beside a radiograph: the clinical note, the report, a doubtful claim."""

from collections.abc import Sequence

import numpy as np

from transferlab.worlds.radiographs.findings import FINDINGS, Finding

COMPLAINTS: dict[str, tuple[str, ...]] = {
    "none": ("check before surgery", "routine check", "mild cough"),
    "cardiomegaly": ("swollen ankles", "short of breath lying down", "tired on stairs"),
    "effusion": ("short of breath lying down", "dull chest pain", "tired on stairs"),
    "consolidation": ("fever and cough", "chills", "mild cough"),
    "nodule": ("weight loss", "coughing blood", "routine check"),
    "pneumothorax": ("sudden chest pain", "suddenly short of breath", "fall from a ladder"),
}
"""Complaints that go with a finding; several go with two of them."""

HISTORIES = (
    "no known illness",
    "former smoker",
    "smoker",
    "diabetes",
    "high blood pressure",
    "asthma",
)

TELLING_FRACTION = 0.5
"""How often a note's complaint is drawn from those that go with the finding; otherwise from all."""

SIZES = ("small", "moderate", "large")
HEART_SIZES = ("mild", "moderate", "marked")

CLAIMS = {
    "cardiomegaly": "an enlarged heart",
    "effusion": "an effusion",
    "consolidation": "a consolidation",
    "nodule": "a nodule",
    "pneumothorax": "a pneumothorax",
}


def write_note(rng: np.random.Generator, *, finding: str, age: int, sex: str) -> str:
    """A clinical note that hints at the finding, or at another one, or at nothing."""
    complaints = COMPLAINTS[finding]
    if rng.uniform() >= TELLING_FRACTION:
        complaints = COMPLAINTS[_choose(rng, FINDINGS)]
    person = "woman" if sex == "F" else "man"
    return f"{age}-year-old {person}, {_choose(rng, complaints)}, {_choose(rng, HISTORIES)}"


def write_report(finding: Finding) -> str:
    """One line: how large, where, what."""
    if finding.kind == "none":
        return "no finding"
    third = min(int(finding.severity * 3), 2)
    if finding.kind == "cardiomegaly":
        return f"{HEART_SIZES[third]} cardiomegaly"
    return f"{SIZES[third]} {finding.side} {finding.kind}"


def write_claim(rng: np.random.Generator, *, finding: str) -> tuple[str, str]:
    """A finding to ask about and whether it is there: ("a nodule", "no"); as often yes as no."""
    # Images without finding can only be answered "no": the others say "yes" more often than not.
    if finding != "none" and rng.uniform() < 0.6:
        return CLAIMS[finding], "yes"
    others = [name for name in CLAIMS if name != finding]
    return CLAIMS[_choose(rng, others)], "no"


def _choose(rng: np.random.Generator, words: Sequence[str]) -> str:
    return words[int(rng.integers(len(words)))]
