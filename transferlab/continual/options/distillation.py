"""Strategies that hold what the model computes, instead of its parameters."""

from __future__ import annotations

from typing import ClassVar, Literal

from transferlab.continual.options.base import Needs, PositiveFloat, StrategyOptions


class LwFOptions(StrategyOptions):
    """Learning without forgetting: the old model's token distributions on new inputs are kept."""

    paper: ClassVar[str] = "Li & Hoiem 2016, arXiv:1606.09282"
    use: ClassVar[str] = (
        "Where no sample of a past domain may be kept and new inputs resemble old ones; on inputs "
        "that the old model knew nothing about there is nothing to distil."
    )
    needs: ClassVar[Needs] = Needs(
        previous_model=True,
        extra_passes="one forward of every batch through the previous model",
        adds_gradient=True,
        anchors=True,
    )

    strength: PositiveFloat = 1.0
    """How much the divergence counts beside the task loss; both are in nats per token."""
    temperature: PositiveFloat = 2.0
    """Both distributions are softened by it; above 1 unlikely tokens count more."""
    tokens: Literal["all", "answered"] = "all"
    """Distributions over the whole vocabulary, or over the tokens of past answers, as Avalanche
    restricts them to past classes; "answered" reads a domain's answers once more after it."""


class FeatureDistillationOptions(StrategyOptions):
    """Feature distillation: hidden states on new inputs stay near those of the previous model.

    Distance "squared" is less-forgetful learning (LFL); the vocabulary layer that LFL freezes is
    frozen here anyway.
    """

    paper: ClassVar[str] = "Jung et al. 2016 (LFL), arXiv:1607.00122"
    use: ClassVar[str] = (
        "As lwf, where distributions over tokens say too little: it holds the features that the "
        "answers are told from."
    )
    needs: ClassVar[Needs] = LwFOptions.needs

    strength: PositiveFloat = 1.0
    """How much the distance counts beside the task loss."""
    distance: Literal["squared", "cosine"] = "squared"
    """The mean squared difference, or one minus the mean cosine."""
