"""Hierarchical decoupling (Guo et al. 2025, HiDe-LLaVA), inside one adapter.

Every domain trains a LoRA of its own, A_k and B_k, from its first values and with no other beside
it. How alike domains make a layer's features falls towards the top of the model, so that a question
is then answered with

    W + (sum_k B_k) (sum_k A_k)      below the last block of the language model (fusion), and with
    W + sum_k w_k B_k A_k            in the last block (expansion),
    w = softmax(s / temperature),    s_k = the mean of cos(image, image anchor k) and
                                            cos(text, text anchor k),

where a domain's anchors are the mean features of its training samples' pictures and texts. The
paper takes them from CLIP; here they are the backbone's own, what its language model is given
before any domain, so that any backbone has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from transferlab.continual.components.lora.layers import block_called_last, spread
from transferlab.continual.components.lora.own_ranks import OwnRanks
from transferlab.continual.components.quadratic_penalty import check_size, flatten
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.base import Needs, PositiveFloat, PositiveInt
from transferlab.continual.options.ranks import RankOptions
from transferlab.continual.strategies.per_domain import Routed, put
from transferlab.core.lazy import nn, no_grad, torch
from transferlab.core.protocols import Backbone
from transferlab.core.records import Sample

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class HiDeOptions(RankOptions):
    """Hierarchical decoupling: LoRAs of all domains, fused in all blocks but the last.

    In the last block they are weighed for every question, by how like its picture and text are to
    each domain's; so samples are answered one at a time. The adapter's ranks are shared out to hold
    them; the source, where it is protected, has a weight and nothing to add. The scale of the
    adapter is that of its whole rank.
    """

    family: ClassVar[str] = "isolation"
    paper: ClassVar[str] = "Guo et al. 2025 (HiDe-LLaVA), arXiv:2503.12941"
    use: ClassVar[str] = (
        "Where domains look different and share most of what they need, and answering one question "
        "at a time can be paid."
    )
    needs: ClassVar[Needs] = Needs(
        backbone_method="lora_layers",
        keeps="the first values of the trainable parameters, and mean features of each domain",
        copies=1,
        extra_passes="features of a domain's samples after it, and of every question",
        grows="the ranks of one domain are kept for each",
        projects_gradient=True,
        moves_parameters="to ranks of its own before each domain, to fused ones after it",
        routes=True,
        writes=True,
    )

    temperature: PositiveFloat = 0.1
    """Of the softmax over domains: the smaller it is, the more the likest domain counts."""
    anchor_samples: PositiveInt = 100
    """At most so many training samples of a domain make its anchors, spread evenly over it."""


class HiDe(OwnRanks):
    """Trains a LoRA for each domain, and puts them together."""

    name = "hide"
    Options = HiDeOptions

    def __init__(self, options: HiDeOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._first = torch.zeros(0)
        """(trainable parameters,) float32."""
        self.experts: dict[str, list[Tensor]] = {}
        """By domain, on the CPU: A_k and B_k of each layer in turn; of the source, none."""
        self.anchors: dict[str, tuple[Tensor, Tensor]] = {}
        """By domain, mean features of pictures and of texts, float32 on the CPU."""
        self._top: list[int] = []
        """The layers of the last block."""

    @no_grad
    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        super().before_training_exp(trainer, **kwargs)
        if not len(self._first):
            self._first = flatten(trainer.trainable)
        check_size(self.name, len(self._first), trainer.trainable)
        put(trainer, self._first)

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        domain, mine = trainer.settings.domain, self._mine
        super().after_training_exp(trainer, **kwargs)
        matrices = [part for one in self._layers for part in (one.down[mine], one.up[:, mine])]
        self.experts[domain] = [one.cpu().clone() for one in matrices if trainer.settings.epochs]
        put(trainer, self._first)
        dataset = trainer.experience.dataset
        rows = spread(len(dataset), self.options.anchor_samples)
        image, text = _features(trainer, [dataset[row][0] for row in rows])
        self.anchors[domain] = image.mean(0), text.mean(0)
        self._top = block_called_last(trainer, self._layers)
        self._fuse(trainer)
        self.take(trainer, tuple(float(name == domain) for name in self.anchors))

    def inference_backbone(self, trainer: TrainerView) -> Backbone | None:
        return Routed(self, trainer) if self.anchors else None

    def routes(self, trainer: TrainerView, samples: Sequence[Sample]) -> list[tuple[float, ...]]:
        """Per sample the weights of the domains; the parameters are left fused."""
        put(trainer, self._first)
        found = _features(trainer, samples)
        self._fuse(trainer)
        anchors = zip(*self.anchors.values(), strict=True)
        cosines = [
            nn.functional.cosine_similarity(some[:, None], torch.stack(ones), dim=2)
            for some, ones in zip(found, anchors, strict=True)
        ]
        likeness = torch.stack(cosines).mean(0)
        weights = (likeness / self.options.temperature).softmax(dim=1)
        return [tuple(row) for row in weights.tolist()]

    @no_grad
    def _fuse(self, trainer: TrainerView) -> None:
        """Put all domains' LoRAs into the parameters: side by side in the last block."""
        put(trainer, self._first)
        for at, layer in enumerate(self._layers):
            downs, ups = ([one[2 * at + side] for one in self._trained] for side in (0, 1))
            if downs and at in self._top:
                down, up = torch.cat(downs), torch.cat(ups, dim=1)
            elif downs:
                down, up = torch.stack(downs).sum(0), torch.stack(ups).sum(0)
            else:
                continue  # the source alone, which has nothing to add
            layer.down[: len(down)] = down.to(layer.down.device)
            layer.up[:, : len(down)] = up.to(layer.up.device)

    @property
    def _trained(self) -> list[list[Tensor]]:
        return [one for one in self.experts.values() if one]

    @no_grad
    def take(self, trainer: TrainerView, route: Sequence[float]) -> None:
        """Weigh the LoRAs of the last block; ``route`` has a weight per domain."""
        weights = [one for one, expert in zip(route, self.experts.values(), strict=True) if expert]
        for at in self._top if weights else ():
            pairs = zip(weights, self._trained, strict=True)
            ups = [weight * one[2 * at + 1] for weight, one in pairs]
            up = torch.cat(ups, dim=1)
            self._layers[at].up[:, : up.shape[1]] = up.to(self._layers[at].up.device)

    def state_bytes(self) -> int:
        kept = [one for expert in self.experts.values() for one in expert]
        kept += [one for pair in self.anchors.values() for one in pair]
        return self._first.nbytes + sum(one.nbytes for one in kept)

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "first": self._first.cpu(),
            "experts": dict(self.experts),
            "anchors": {name: list(pair) for name, pair in self.anchors.items()},
            "top": self._top,
        }

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self._first = state["first"].clone()
        self.experts = {name: list(one) for name, one in state["experts"].items()}
        self.anchors = {name: (image, text) for name, (image, text) in state["anchors"].items()}
        self._top = list(state["top"])


def _features(trainer: TrainerView, samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    """(samples, width) float32 on the CPU: of pictures and of texts."""
    found = trainer.backbone.features(samples, batch_samples=trainer.micro_batch_samples)
    return torch.from_numpy(found.image).float(), torch.from_numpy(found.text).float()
