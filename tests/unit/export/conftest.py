"""A result as a finished pipeline leaves it."""

from __future__ import annotations

import copy

import pytest

SCORES = {
    "columns": [
        {"domain": name, "metric": f"metric of {name}"}
        for name in ("scenes", "chest-xray", "lectures")
    ],
    "rows": [
        {
            "after": "pretrained",
            "values": {"scenes": 0.711, "chest-xray": 0.222, "lectures": 0.111},
        },
        {
            "after": "lectures",
            "values": {"scenes": 0.688, "chest-xray": 0.555, "lectures": 0.444},
        },
    ],
}


def _scored(value: float) -> dict:
    task = {"metric": "accuracy", "value": value, "metrics": {}, "samples": 40}
    return {"value": value, "metric": "accuracy (finding)", "tasks": {"finding": task}}


def _domain(licence: str, role: str) -> dict:
    return {
        "version": 2,
        "title": "Pictures | and notes",
        "licence": licence,
        "digest": "abcdef0123456789" * 4,
        "role": role,
        "samples": {"train": 64, "validation": 8, "test": 40},
    }


@pytest.fixture
def result():
    return {
        "pipeline": {
            "name": "radiology",
            "backbone": {"model": "transferlab/tiny", "revision": None},
            "stream": ["chest-xray", "lectures"],
            "strategy": [{"name": "ewc", "options": {}}, {"name": "replay", "options": {}}],
        },
        "seed": 3,
        "domains": {
            "scenes": _domain("CC0-1.0", "source"),
            "chest-xray": _domain("CC-BY-NC-4.0", "stream"),
            "lectures": _domain("CC-BY-4.0", "stream"),
        },
        "scores": copy.deepcopy(SCORES),
        "summary": {
            "acc": {"value": 0.5, "interval": [0.45, 0.55], "definition": "mean of the last row"},
            "fwt_over_scratch": {
                "value": None,
                "interval": None,
                "definition": "needs two domains",
            },
        },
        "arms": {"sequential": {"chest-xray": _scored(0.555), "lectures": _scored(0.444)}},
        "controls": {
            "chest-xray": {
                "finding": {"majority": 0.31, "no_image": 0.32, "pixels": None, "reasons": {}}
            }
        },
        "data_quantity": {"chest-xray": {"train_samples": 64, "train_tokens": 301}},
    }
