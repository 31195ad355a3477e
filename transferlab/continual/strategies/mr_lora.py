"""One LoRA per domain, and the model itself as its router (Zhao et al. 2025, MR-LoRA of MLLM-CL).

Every domain trains an adapter of its own from the first values, so that domains cannot interfere. A
few samples of each are remembered. After each domain another adapter, the router, is trained from
the first values on the remembered samples of all domains, whose questions are followed by

    Which expert should answer? A: ...; B: ...

and whose answer is the letter of their domain. A question is put to the model with the router
first, and then answered with the adapter of the letter that is likeliest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, ClassVar

from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.components.gradients import evaluation_mode, gradient
from transferlab.continual.components.lora.layers import spread
from transferlab.continual.components.quadratic_penalty import flatten
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.base import Needs, PositiveInt, StrategyOptions
from transferlab.continual.strategies.from_scratch import FromScratch
from transferlab.continual.strategies.per_domain import Routed, put
from transferlab.core.lazy import nn, no_grad, torch
from transferlab.core.protocols import Backbone
from transferlab.core.records import Sample
from transferlab.core.seeding import derive_seed
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView

QUESTION = "Which expert should answer?"
ROUTER = 5
"""Of the seeds that belong to a domain, that of the router's order of samples."""


class MRLoRAOptions(StrategyOptions):
    """One adapter per domain, chosen for every question by the model itself, with one more adapter.

    The router is trained after each domain, on a few remembered samples of every domain. The source
    has the adapter's first values.
    """

    family: ClassVar[str] = "isolation"
    paper: ClassVar[str] = "Zhao et al. 2025 (MLLM-CL), arXiv:2506.05453"
    use: ClassVar[str] = (
        "As per_domain, where some samples of each domain may be remembered and the model tells "
        "domains apart better than mean features do; every question is read twice."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        keeps="the first values of the trainable parameters, and the router",
        copies=2,
        extra_passes="training of the router on remembered samples after each domain, and every "
        "question to it",
        moves_parameters="to values of their own for each domain",
        grows="one adapter per domain is kept",
        routes=True,
        writes=True,
    )

    samples_per_domain: PositiveInt = 20
    """How many ids of each domain are remembered for the router."""
    router_epochs: PositiveInt = 10
    """How often the router sees each of them after a domain, at the domain's learning rate."""
    descriptions: dict[str, str] = {}
    """By domain: what its expert is good at, as the router is told; its name where there is
    none."""

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        for name in self.descriptions:
            if name not in (*config.stream, config.source):
                yield (
                    f"descriptions: '{name}' is neither in the stream nor the source; correct or "
                    "remove it"
                )
        if len(config.stream) + 1 > len(ascii_uppercase):
            yield (
                f"names domains by the letters A to Z, and {len(config.stream)} domains and the "
                "source are more; use per_domain"
            )


class MRLoRA(FromScratch):
    """Trains an adapter for each domain, and the router between them."""

    name = "mr_lora"
    Options: ClassVar[type[StrategyOptions]] = MRLoRAOptions

    def __init__(self, options: MRLoRAOptions, *, seed: int) -> None:
        from transferlab.continual.components.buffer import PerDomainBuffer

        super().__init__(options, seed=seed)
        self.adapters: dict[str, Tensor] = {}
        """By domain, (trainable parameters,) float32 on the CPU; its place is its letter's."""
        self.router = torch.zeros(0)
        """(trainable parameters,) float32 on the CPU; empty while there is one domain."""
        self.memory = PerDomainBuffer(options.samples_per_domain, ())

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        """
        Raises:
            ModelError: the domain was trained before, or the router's question is too long for one
                of its samples.
        """
        domain, backbone = trainer.settings.domain, trainer.backbone
        if domain in self.adapters:
            raise ModelError(
                f"strategy.mr_lora: domain '{domain}' comes twice in the stream, and the router "
                "would have two letters for it; use per_domain"
            )
        dataset = trainer.experience.dataset
        for row in spread(len(dataset), self.options.samples_per_domain):
            longer = self.question(dataset[row][0], [*self.adapters, domain])
            tokens = backbone.length_tokens(longer)
            if tokens > backbone.max_length_tokens:
                raise ModelError(
                    f"strategy.mr_lora: a sample of '{domain}' with the router's question is "
                    f"{tokens} tokens long; raise backbone.max_length_tokens "
                    f"({backbone.max_length_tokens}) or shorten the descriptions"
                )

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        own = flatten(trainer.trainable).cpu()
        self.adapters[trainer.settings.domain] = own
        self.memory.take_in(trainer)
        if len(self.adapters) > 1:
            put(trainer, self.first)
            self._train_router(trainer)
            self.router = flatten(trainer.trainable).cpu()
            put(trainer, own)

    def _train_router(self, trainer: TrainerView) -> None:
        """Train the parameters as they are on the remembered samples of all domains."""
        past = [dataset[row][0] for dataset in self.memory.domains for row in range(len(dataset))]
        questions = [self.question(one, list(self.adapters)) for one in past]
        seed = derive_seed(self.seed, trainer.clock.train_exp_counter, ROUTER)
        generator = torch.Generator().manual_seed(seed)
        factors = trainer.backbone.learning_rate_factors
        rate, named = trainer.settings.learning_rate, trainer.model.named_parameters()
        optimizer = torch.optim.AdamW(
            [{"params": [p], "lr": rate * factors.get(name, 1.0)} for name, p in named],
            weight_decay=0.0,
        )
        with evaluation_mode(trainer.model):
            for _ in range(self.options.router_epochs):
                order = torch.randperm(len(questions), generator=generator).tolist()
                for start in range(0, len(order), trainer.train_mb_size):
                    rows = order[start : start + trainer.train_mb_size]
                    batch, _targets = trainer.backbone.collate([questions[row] for row in rows])
                    _, found = gradient(trainer, batch.to(trainer.device))
                    for parameter, one in zip(trainer.trainable, found, strict=True):
                        parameter.grad = one
                    nn.utils.clip_grad_norm_(trainer.trainable, 1.0)
                    optimizer.step()
        optimizer.zero_grad()

    def question(self, sample: Sample, domains: Sequence[str]) -> Sample:
        """What the router is asked about a sample, with its domain's letter as the answer."""
        letters = dict(zip(domains, ascii_uppercase, strict=False))
        experts = [
            f"{letter}: {self.options.descriptions.get(domain, domain)}"
            for domain, letter in letters.items()
        ]
        return replace(
            sample,
            prompt=f"{sample.prompt}\n{QUESTION} {'; '.join(experts)}",
            # Of a domain that is not trained yet the answer is never looked at.
            answer=letters.get(sample.domain, ascii_uppercase[0]),
            choices=tuple(letters.values()),
            kind="classify",
        )

    def inference_backbone(self, trainer: TrainerView) -> Backbone | None:
        return Routed(self, trainer) if self.adapters else None

    @no_grad
    def routes(self, trainer: TrainerView, samples: Sequence[Sample]) -> list[str]:
        """The domain whose adapter answers each sample."""
        names = list(self.adapters)
        if not len(self.router):
            return names * len(samples)
        put(trainer, self.router)
        found = trainer.backbone.score_choices(
            [self.question(one, names) for one in samples],
            batch_samples=trainer.micro_batch_samples,
        )
        return [names[max(range(len(names)), key=one.log_likelihoods.__getitem__)] for one in found]

    def take(self, trainer: TrainerView, route: str) -> None:
        put(trainer, self.adapters[route])

    def state_bytes(self) -> int:
        kept = sum(one.nbytes for one in (self.router, *self.adapters.values()))
        return super().state_bytes() + kept + self.memory.state_bytes()

    def state_dict(self) -> dict[str, Any]:
        own = {"adapters": dict(self.adapters), "router": self.router}
        return {**super().state_dict(), **own, "memory": self.memory.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self.adapters, self.router = dict(state["adapters"]), state["router"]
        self.memory.load_state_dict(state["memory"], dataset_of)
