"""Continual learning in the residual subspace (Luo et al. 2026, KeepLoRA), inside one adapter.

General knowledge lies in a weight's principal directions, what single tasks need in the others. Of
each layer's inputs, M holds the right singular directions of W that have the share eps_w of its
energy, and after each domain as many leading directions of what is left of its inputs as it takes
to hold the share eps_f of theirs. Domain k has G, the gradient of its loss with respect to W, as it
is found. Its rows of the low-rank update B A = sum_r b_r a_r^T are set to

    A_k = the first r right singular vectors of  G (I - M M^T),

the directions along which the loss falls fastest among those that nobody needs, and stand still;
B_k alone is trained. The paper melts each update into W; here each has ranks of its own, so that
the adapter stays an ordinary one and W as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.components.gradients import upcast
from transferlab.continual.components.lora.designed_ranks import DesignedRanks
from transferlab.continual.components.lora.layers import weight_gradients
from transferlab.continual.components.lora.subspace import Subspace
from transferlab.continual.options.base import Needs, PositiveInt
from transferlab.continual.options.ranks import RankOptions
from transferlab.core.protocols import LoRALayer

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView

Share = Annotated[float, Field(gt=0, lt=1)]


class KeepLoRAOptions(RankOptions):
    """Residual gradient adaptation: LoRA across the weights' main directions and past inputs.

    The adapter's ranks are shared out: a domain's input directions are those that its gradient asks
    for most, among those that neither the pretrained weights nor past domains need, and only what
    is made of them is trained. The scale of the adapter is that of its whole rank.
    """

    family: ClassVar[str] = "isolation"
    paper: ClassVar[str] = "Luo et al. 2026, arXiv:2601.19659"
    use: ClassVar[str] = (
        "As inflora, where what the backbone could do before any domain matters most: it is left "
        "alone without a sample of the source."
    )
    needs: ClassVar[Needs] = Needs(
        backbone_method="lora_layers",
        keeps="directions of every layer's inputs, at most half as many as it has inputs",
        extra_passes="a domain's samples forward and backward before it, forward after it",
        grows="those directions, up to their bound",
        projects_gradient=True,
        moves_parameters="to directions of its own before each domain",
    )

    weight_energy: Share = 0.5
    """The paper's eps_w: the share of every weight's energy whose directions are left alone. The
    paper takes 0.85 for a vision tower and 0.2 for a text tower."""
    domain_energy: Share = 0.99
    """The paper's eps_f: the share of a domain's input energy that is left alone after it."""
    subspace_samples: PositiveInt = 64
    """At most so many samples of a domain are looked at, spread evenly over it."""

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        yield from super().misfits(config)
        if config.backbone.quantization is not None:
            yield (
                "takes the weights apart, which quantized ones do not allow; set "
                "backbone.quantization: null, or use inflora"
            )


class KeepLoRA(DesignedRanks):
    """Wants what a domain's gradient asks for, across weights and past domains."""

    name = "keeplora"
    Options = KeepLoRAOptions

    def needed_at_first(self, layer: LoRALayer) -> Subspace:
        weight = upcast(layer.weight)
        nothing = super().needed_at_first(layer)
        return nothing.grown(weight.T @ weight, energy=self.options.weight_energy)

    def wanted(self, trainer: TrainerView) -> Iterable[Tensor]:
        samples = self.options.subspace_samples
        for gradient in weight_gradients(trainer, self._layers, samples=samples):
            yield gradient.T @ gradient

    def energy(self) -> float:
        return self.options.domain_energy
