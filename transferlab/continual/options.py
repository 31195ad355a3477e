"""What can be set for each strategy, and what each needs. No torch here: `validate` reads this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator

from transferlab.config.pipeline import StrategySpec
from transferlab.config.section import Section
from transferlab.config.wording import dotted, explain
from transferlab.core.registry import did_you_mean
from transferlab.errors import InputError

PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Facts about a strategy that decide what it can be combined with."""

    alone: bool = False
    """It means the absence of every other strategy."""
    past_samples: bool = False
    """It keeps ids of training samples, and needs those samples again when a run is resumed."""


class StrategyOptions(Section):
    """The options of one strategy."""

    needs: ClassVar[Needs] = Needs()


class NaiveOptions(StrategyOptions):
    """Fine-tuning without protection has nothing to set."""

    needs: ClassVar[Needs] = Needs(alone=True)


class EWCOptions(StrategyOptions):
    """Elastic weight consolidation."""

    strength: PositiveFloat = 100.0
    """The penalty is strength * sum F (theta - theta*)^2; depends on ``fisher`` and ``labels``."""
    mode: Literal["separate", "online"] = "online"
    """"separate" keeps a penalty per past domain, "online" one whose anchor is the latest."""
    decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Mode "online": what is left of the old importances at each new domain; None means 1."""
    fisher: Literal["exact", "batch"] = "exact"
    """"exact" squares per-sample gradients; "batch" squares mini-batch means, as Avalanche does."""
    labels: Literal["data", "model"] | None = None
    """Fisher "exact": the answers of the data (None means these) or tokens drawn from the model."""
    fisher_samples: PositiveInt | None = None
    """At most so many samples, drawn with the run's seed, are used per domain; None uses all."""

    @model_validator(mode="after")
    def _no_option_is_ignored(self) -> EWCOptions:
        if self.decay is not None and self.mode != "online":
            raise ValueError(f"decay: mode '{self.mode}' has none; remove it or set mode: online")
        if self.labels is not None and self.fisher != "exact":
            raise ValueError(
                f"labels: fisher '{self.fisher}' takes the data's answers; remove it or set "
                "fisher: exact"
            )
        return self


class ReplayOptions(StrategyOptions):
    """Rehearsal of remembered samples."""

    needs: ClassVar[Needs] = Needs(past_samples=True)

    memory_samples: PositiveInt = 200
    """How many sample ids are remembered in all."""
    batch_ratio: PositiveFloat = 1.0
    """Remembered samples added to a step per new one: a step of ``batch_samples`` new samples has
    round(batch_ratio * batch_samples) remembered ones beside them, at least one."""
    policy: Literal["reservoir", "experience_balanced", "class_balanced"] = "experience_balanced"
    """What is kept: a uniform draw from everything seen, the same share of each domain, or the same
    share of each class (every label of a classify task, every other task as one class)."""


OPTIONS: dict[str, type[StrategyOptions]] = {
    "naive": NaiveOptions,
    "ewc": EWCOptions,
    "replay": ReplayOptions,
}
"""By the names of ``transferlab.continual.registry``."""


def check_strategies(specs: Sequence[StrategySpec]) -> list[str]:
    """Every problem of a ``strategy:`` list, each under its dotted path; empty when it is sound."""
    if not specs:
        return ["strategy: the list is empty; write 'naive' to train without protection"]
    problems = [problem for spec in specs for problem in _problems_of(spec)]
    counts = Counter(spec.name for spec in specs)
    problems += [
        f"strategy: '{name}' is listed {count} times; keep one"
        for name, count in counts.items()
        if count > 1
    ]
    problems += [
        f"strategy: '{name}' means no protection and cannot be combined with "
        f"{', '.join(other for other in counts if other != name)}; remove one of them"
        for name in counts
        if name in OPTIONS and OPTIONS[name].needs.alone and len(counts) > 1
    ]
    return problems


def read_options(spec: StrategySpec) -> StrategyOptions:
    """The options of one entry, with defaults filled in.

    Raises:
        InputError: an unknown strategy or option, or a value out of range.
    """
    problems = list(_problems_of(spec))
    if problems:
        raise InputError("; ".join(problems))
    return OPTIONS[spec.name].model_validate(spec.options)


def _problems_of(spec: StrategySpec) -> Iterator[str]:
    if spec.name not in OPTIONS:
        known = sorted(OPTIONS)
        hint = did_you_mean(spec.name, known)
        yield f"strategy: there is no strategy '{spec.name}'.{hint} Known: {', '.join(known)}."
        return
    model = OPTIONS[spec.name]
    try:
        model.model_validate(spec.options, strict=True)
    except ValidationError as error:
        for found in explain(error.errors(), model=model, tree=spec.options):
            yield f"strategy.{dotted((spec.name, *found.path))}: {found.message}"
