"""What benchmarks/strategies_study.py runs each strategy with, and what it tunes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Specs = list[Any]
"""A ``strategy:`` list."""

CATALOGUE: dict[str, Specs] = {
    "naive": ["naive"],
    "replay": [{"replay": {"memory_samples": 200, "batch_ratio": 0.5}}],
    "ewc": [{"ewc": {"strength": "auto", "units": 1.0, "fisher_samples": 64}}],
    "ewc + replay": [
        {"ewc": {"strength": "auto", "units": 1.0, "fisher_samples": 64}},
        {"replay": {"memory_samples": 200, "batch_ratio": 0.5}},
    ],
    "si": [{"si": {"units": 1.0}}],
    "mas": [{"mas": {"units": 1.0}}],
    "rwalk": [{"rwalk": {"units": 1.0}}],
    "l2": [{"l2": {"units": 1.0}}],
    "lwf": [{"lwf": {}}],
    "feature_distillation": [{"feature_distillation": {}}],
    "er_ace": [{"er_ace": {"memory_batch_samples": 8}}],
    "der": [{"der": {"memory_batch_samples": 8}}],
    "mir": [{"mir": {"candidate_samples": 16, "memory_batch_samples": 8}}],
    "gss": [{"gss": {"batch_ratio": 0.5}}],
    "agem": [{"agem": {"memory_batch_samples": 8}}],
    "gem": [{"gem": {"memory_batch_samples": 4}}],
    "self_distillation": [{"self_distillation": {"memory_batch_samples": 8, "max_new_tokens": 24}}],
    "pseudo_replay": [{"pseudo_replay": {"memory_batch_samples": 8, "max_new_tokens": 24}}],
    "per_domain": [{"per_domain": {}}],
    "o_lora": [{"o_lora": {"rank_per_domain": 4}}],
    "inflora": [{"inflora": {"rank_per_domain": 4}}],
    "keeplora": [{"keeplora": {"rank_per_domain": 4}}],
    "mr_lora": [{"mr_lora": {}}],
    "cl_moe": [{"cl_moe": {}}],
    "hide": [{"hide": {"rank_per_domain": 4}}],
    "reglora": [{"reglora": {"rank_per_domain": 4}}],
    "moe_lora": [{"moe_lora": {}}],
    "osf": [{"osf": {"share_per_domain": 0.1}}],
    "ema": [{"ema": {}}],
    "interpolate": [{"interpolate": {}}],
    "merge": [{"merge": {}}],
    "gdumb": [{"gdumb": {}}],
    "cumulative": [{"cumulative": {}}],
    "from_scratch": [{"from_scratch": {}}],
}
ADAPTERS = {
    "o_lora": {"train_embeddings": False},  # trains ranks, and token embeddings have none
    "inflora": {"train_embeddings": False},
    "keeplora": {"train_embeddings": False},
    "cl_moe": {"experts": 4},
    "hide": {"train_embeddings": False},
    "reglora": {"train_embeddings": False},
    "moe_lora": {"experts": 4},
    "osf": {"kind": "osf", "rank": None, "train_embeddings": False},
}
"""What a strategy needs changed in the pipeline's adapter."""
ALWAYS = ("naive", "joint", "ewc", "replay", "ewc + replay")
CONTROLS = ("cumulative", "gdumb", "from_scratch")
"""Not among the eight: bounds, as joint is."""
CHOSEN = 8
KNOBS: dict[str, tuple[str, list[Any]]] = {
    "ewc": ("units", [0.1, 10.0]),
    "si": ("units", [0.1, 10.0]),
    "mas": ("units", [0.1, 10.0]),
    "rwalk": ("units", [0.1, 10.0]),
    "l2": ("units", [0.1, 10.0]),
    "replay": ("batch_ratio", [0.25, 1.0]),
    "gss": ("batch_ratio", [0.25, 1.0]),
    "lwf": ("strength", [0.3, 3.0]),
    "feature_distillation": ("strength", [0.1, 10.0]),
    "er_ace": ("memory_batch_samples", [4, 16]),
    "der": ("logit_weight", [0.03, 0.3]),
    "mir": ("memory_batch_samples", [4, 16]),
    "agem": ("memory_batch_samples", [4, 16]),
    "gem": ("margin", [0.0, 1.0]),
    "self_distillation": ("weight", [0.3, 3.0]),
    "pseudo_replay": ("weight", [0.3, 3.0]),
    "per_domain": ("start", ["latest"]),
    "o_lora": ("strength", [0.05, 5.0]),
    "inflora": ("energy", [0.8, 0.99]),
    "keeplora": ("weight_energy", [0.2, 0.85]),
    "cl_moe": ("momentum", [0.5, 0.9]),
    "hide": ("temperature", [0.01, 1.0]),
    "mr_lora": ("router_epochs", [5, 20]),
    "reglora": ("strength", [250.0, 25000.0]),
    "moe_lora": ("experts_per_domain", [1]),
    "osf": ("share_per_domain", [0.05, 0.15]),
    "ema": ("decay", [0.9, 0.995]),
    "interpolate": ("new_share", [0.3, 0.7]),
    "merge": ("method", ["linear", "dare_ties"]),
}
"""What each is tuned over, beside its setting in the catalogue."""
RATES = [1e-3, 4e-3]
"""The same for naive and joint, which have no setting of their own."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A strategy with its options and its learning rate."""

    name: str
    specs: Specs
    learning_rate: float | None = None

    @property
    def joint(self) -> bool:
        return self.name == "joint"


def settings_of(name: str) -> list[Setting]:
    """What a strategy is tuned over; the first is its setting in the catalogue."""
    if name in ("naive", "joint"):
        return [Setting(name=name, specs=["naive"], learning_rate=one) for one in (None, *RATES)]
    first, *rest = CATALOGUE[name]
    ((key, options),) = first.items()
    knob, values = KNOBS[key]
    others = [[{key: {**options, knob: value}}, *rest] for value in values]
    return [Setting(name=name, specs=specs) for specs in (CATALOGUE[name], *others)]
