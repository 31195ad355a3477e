"""The models that a finished run has trained, and which of them somebody means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transferlab.continual.options.registry import OPTIONS
from transferlab.errors import InputError
from transferlab.evaluation.leads import MODELS
from transferlab.metrics.controls import best_control

Result = Mapping[str, Any]
TRAINED_ARMS = ("sequential", "single", "joint", "scratch")


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """One model of a run: what it was trained on, where its parameters are, how it scored."""

    arm: str
    """sequential, single, joint or scratch."""
    domain: str
    """The last that it was trained on; "all" for joint."""
    trained_on: tuple[str, ...]
    step: int | None
    """Of the stream, from 1; None for other arms."""
    stage: str
    """The stage that keeps its parameters."""
    last: bool = False
    """Whether it is the stream's last, which is exported unless another is asked for."""
    routed: bool = False
    """Whether it is one of several adapters among which each sample's was chosen."""

    @property
    def name(self) -> str:
        """Tells it from the others of the run: ``sequential-1-chest-xray``, ``single-lectures``."""
        parts = [self.arm, *([str(self.step)] if self.step else []), self.domain]
        return self.arm if self.arm == "joint" else "-".join(parts)

    @property
    def fresh(self) -> bool:
        """Whether it began with random values: all parameters are its own, and no adapter."""
        return self.arm == "scratch"

    def folder(self, kind: str) -> str:
        """What its export in a format is called; an adapter of several goes by its domain."""
        if self.routed:
            return f"{kind}-{self.domain}"
        return kind if self.last else f"{kind}-{self.name}"

    def scores(self, result: Result) -> dict[str, Mapping[str, Any]]:
        """By domain: ``value`` and, of the models that arms are scored by, ``interval`` and the
        rest of the record. A step of the stream that is not the last has values alone."""
        if self.last or self.arm != "sequential":
            found = result["arms"].get(self.arm, {})
            names = [self.domain] if self.arm in ("single", "scratch") else list(found)
            return {name: found[name] for name in names if name in found}
        (row,) = (one for one in result["scores"]["rows"] if one["after"] == self.domain)
        return {name: {"value": value, "interval": None} for name, value in row["values"].items()}


def trained_models(result: Result) -> list[TrainedModel]:
    """Every model of a run whose parameters it keeps, the stream's first.

    An arm that was the same training as the stream is left out: it is the stream's model.
    """
    stream, same = result["pipeline"]["stream"], result.get("same_training") or {}
    found = [
        TrainedModel(
            arm="sequential",
            domain=name,
            trained_on=tuple(stream[:step]),
            step=step,
            stage=f"sequential/{step}/{name}",
            last=step == len(stream),
            routed=routed_by(result) is not None,
        )
        for step, name in enumerate(stream, start=1)
    ]
    for arm in ("single", "joint", "scratch"):
        if arm not in result["arms"] or arm in same:
            continue
        for name in ["all"] if arm == "joint" else stream:
            found.append(
                TrainedModel(
                    arm=arm,
                    domain=name,
                    trained_on=tuple(stream) if arm == "joint" else (name,),
                    step=None,
                    stage=f"{arm}/{name}",
                )
            )
    return found


def select(
    result: Result,
    *,
    arm: str | None = None,
    domain: str | None = None,
    step: int | None = None,
    best: bool = False,
) -> list[TrainedModel]:
    """The models that are meant.

    Args:
        result: the content of result.json.
        arm: one of TRAINED_ARMS; None means the stream's, or every arm where ``domain`` alone
            names a step of it.
        domain: of single and scratch: whose model; of the stream: after whose step.
        step: of the stream, from 1.
        best: of the arm with the highest score on ``domain``, or mean over the stream.

    Returns:
        At least one. Nothing given: the stream's last; where each sample was answered by one of
        several adapters, that of every step.

    Raises:
        InputError: there is none such.
    """
    if best:
        if arm is not None or step is not None:
            raise InputError("--best chooses the arm itself: leave out --arm and --step")
        arm = best_arm(result, domain)
        if arm in ("sequential", "joint") and not routed_by(result):
            domain = None  # the model that was scored is that after the last step, on any domain
    chosen_arm = (result.get("same_training") or {}).get(arm or "sequential", arm or "sequential")
    if chosen_arm not in TRAINED_ARMS:
        raise InputError(
            f"--arm {arm}: was not trained, so there is nothing to export; use one of "
            f"{', '.join(TRAINED_ARMS)}"
        )
    models = [one for one in trained_models(result) if one.arm == chosen_arm]
    if not models:
        ran = dict.fromkeys(one.arm for one in trained_models(result))
        raise InputError(f"--arm {arm}: the run has no such arm; it has {', '.join(ran)}")
    if step is not None and chosen_arm != "sequential":
        raise InputError(f"--step {step}: only the stream has steps; leave it out with --arm {arm}")
    if chosen_arm == "joint":
        return models
    if step is not None or domain is not None:
        return _named(models, domain=domain, step=step)
    if chosen_arm == "sequential" and not routed_by(result):
        return [one for one in models if one.last]
    return models


def _named(
    models: Sequence[TrainedModel], *, domain: str | None, step: int | None
) -> list[TrainedModel]:
    found = [one for one in models if step in (None, one.step) and domain in (None, one.domain)]
    if not found:
        wanted = [
            *([] if step is None else [f"--step {step}"]),
            *([] if domain is None else [f"--domain {domain}"]),
        ]
        known = ", ".join(
            f"{one.step} ({one.domain})" if one.step else one.domain for one in models
        )
        raise InputError(f"{' '.join(wanted)}: the run has no such model; it has {known}")
    return found


def best_arm(result: Result, domain: str | None) -> str:
    """The arm whose model scores highest on a domain, or in the mean over the stream.

    Whether it is shown to be ahead of the next, ``answer`` says.

    Raises:
        InputError: no arm was scored on the domain, or the best is the backbone as it was.
    """
    names = [domain] if domain else result["pipeline"]["stream"]
    means = {
        arm: sum(result["arms"][arm][name]["value"] for name in names) / len(names)
        for arm in MODELS
        if all(name in result["arms"].get(arm, {}) for name in names)
    }
    if not means:
        raise InputError(
            f"--domain {domain}: no model was scored on it; the run has "
            f"{', '.join(result['pipeline']['stream'])}"
        )
    best = max(means, key=lambda arm: means[arm])
    if best == "zero_shot":
        raise InputError(
            f"--best: the backbone as it was scores highest ({means[best]:.3f}), so there is "
            "nothing tuned to export; name an arm with --arm to export it all the same"
        )
    return best


def routed_by(result: Result) -> str | None:
    """The strategy that answers each sample with one of several adapters, if any."""
    names: Iterator[str] = (one["name"] for one in result["pipeline"]["strategy"])
    return next((one for one in names if one in OPTIONS and OPTIONS[one].needs.routes), None)


def mean_best_control(result: Result, domain: str) -> float | None:
    """The mean over a domain's tasks of the best control; None where none was measured."""
    tasks = (result.get("controls") or {}).get(domain, {}).values()
    best = [value for one in tasks if (value := best_control(one)) is not None]
    return sum(best) / len(best) if best else None
