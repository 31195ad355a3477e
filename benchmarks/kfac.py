"""Whether a Kronecker-factored Fisher (KFAC) would serve EWC better than the exact diagonal.

A backbone with a LoRA adapter learns one domain; its Fisher information there is measured as
diagonal and as Kronecker factors (Martens & Grosse 2015; for weights shared over positions
"expand" and "reduce", Eschenhagen et al. 2023). Then it goes on to other domains unprotected. At
stops on the way the divergence that the displacement has caused on the first domain, in nats per
answer token, stands beside d F d / 2 of each approximation, and of the whole Fisher. Run it from
the repository's root:

    TRANSFERLAB_DATA=... python benchmarks/kfac.py [--samples 48] [--steps 2 12]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence

import torch
from report import table
from torch import Tensor, nn

from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.loader import load_backbone
from transferlab.config.pipeline import (
    BackboneSection,
    DataSection,
    PipelineConfig,
    StrategySpec,
    TrainSection,
)
from transferlab.continual.components.per_sample_gradients import (
    gradients_by_sample,
    record_calls,
    uses_of,
)
from transferlab.continual.engine.learner import Learner
from transferlab.core.batch import Batch
from transferlab.core.records import Sample
from transferlab.domain.media.decoder import decode
from transferlab.pipeline.build import load_domains, training_samples

FIRST, OTHERS = "chest-xray-real", ("textbook-figures", "chest-xray")
BATCH, DRAWS = 16, 2
NAIVE = [StrategySpec(name="naive")]
Factors = tuple[Tensor, Tensor]
"""Of the inputs, (in, in), and of the outputs' gradients, (out, out)."""


class Curvature:
    """What is known of the Fisher information of one domain, per answer token."""

    def __init__(self, backbone: HFBackbone, batches: Sequence[Batch]) -> None:
        self._module, self._batches = backbone.module, batches
        self._parameters = dict(backbone.module.named_parameters())
        self._uses = uses_of(backbone.module, self._parameters)
        self.diagonal = {n: torch.zeros_like(p) for n, p in self._parameters.items()}
        self.factors: dict[str, dict[str, Factors]] = {"expand": {}, "reduce": {}}
        tokens = sum(len(batch.targets()) for batch in batches)
        self._scale = 1 / (tokens * DRAWS)
        for batch, calls in self._passes():
            for name, parameter in self._parameters.items():
                for some in gradients_by_sample(self._uses[name], calls, parameter, batch):
                    self.diagonal[name] += self._scale * some.square().sum(0)
            self._add_factors(calls)

    def _passes(self) -> Iterator[tuple[Batch, Mapping]]:
        """Every batch, several times, with the layers' calls; answers are drawn from the model."""
        torch.manual_seed(0)
        for batch in [one for one in self._batches for _ in range(DRAWS)]:
            with record_calls(self._uses) as calls:
                logits = self._module(batch)
            drawn = torch.multinomial(logits.detach().softmax(-1), 1).squeeze(1)
            loss = nn.functional.cross_entropy(logits, drawn, reduction="sum")
            outputs = [call.output for made in calls.values() for call in made]
            grad_outputs = iter(torch.autograd.grad(loss, outputs))
            yield (
                batch,
                {
                    layer: [call._replace(grad_output=next(grad_outputs)) for call in made]
                    for layer, made in calls.items()
                },
            )

    def _add_factors(self, calls: Mapping) -> None:
        """The mean of the inputs' products, and the sum over rows of the slopes' ones."""
        passes = DRAWS * len(self._batches)
        for name, (use,) in self._uses.items():
            (call,) = calls[use.layer]
            given, slope = call.given.flatten(1, -2), call.grad_output.flatten(1, -2)
            for kind, inputs, outputs in (
                ("expand", given.flatten(0, 1), slope.flatten(0, 1)),
                ("reduce", given.mean(1), slope.sum(1)),
            ):
                a, g = self.factors[kind].get(name, (0, 0))
                a = a + inputs.T @ inputs / (len(inputs) * passes)
                self.factors[kind][name] = a, g + self._scale * outputs.T @ outputs

    def by_diagonal(self, away: Mapping[str, Tensor]) -> float:
        return 0.5 * sum(float((self.diagonal[n] * d.square()).sum()) for n, d in away.items())

    def by_factors(self, kind: str, away: Mapping[str, Tensor]) -> float:
        pairs = [(self.factors[kind][name], d) for name, d in away.items()]
        return 0.5 * sum(float(((g @ d) * (d @ a)).sum()) for (a, g), d in pairs)

    def whole(self, away: Mapping[str, Tensor]) -> float:
        """With every product of two parameters: d F d / 2 by the samples' own gradients."""
        total = 0.0
        for batch, calls in self._passes():
            along = torch.zeros(len(batch))
            for name, parameter in self._parameters.items():
                at = 0
                for some in gradients_by_sample(self._uses[name], calls, parameter, batch):
                    found = (some * away[name]).flatten(1).sum(1).detach()
                    along[at : at + len(found)] += found
                    at += len(found)
            total += float(along.square().sum()) * self._scale
        return 0.5 * total


@torch.no_grad()
def log_chances(backbone: HFBackbone, batches: Sequence[Batch]) -> list[Tensor]:
    return [backbone.module(batch).log_softmax(-1) for batch in batches]


def divergence(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """KL(before || after), nats per answer token."""
    pairs = list(zip(before, after, strict=True))
    total = sum(float((a.exp() * (a - b)).sum()) for a, b in pairs)
    return total / sum(len(a) for a, _ in pairs)


def penalty_seconds(curvature: Curvature, away: Mapping[str, Tensor]) -> tuple[float, float]:
    """One gradient of the penalty, diagonal and factored, medians of 20 in turn."""

    def diagonal() -> None:
        torch._foreach_mul(list(curvature.diagonal.values()), list(away.values()))

    def factored() -> None:
        for name, d in away.items():
            a, g = curvature.factors["expand"][name]
            (g @ d) @ a

    found: list[list[float]] = []
    for _ in range(21):
        row = []
        for act in (diagonal, factored):
            started = time.process_time()
            act()
            row.append(time.process_time() - started)
        found.append(row)
    one, other = (statistics.median(column) for column in zip(*found[1:], strict=True))
    return one, other


def load(samples: int) -> dict[str, tuple[Sample, ...]]:
    config = PipelineConfig(
        name="kfac",
        stream=[FIRST, *OTHERS],
        data=DataSection(max_train_samples=samples, max_generated_samples=4 * samples),
    )
    return {
        name: some[:samples]
        for name, some in training_samples(config, load_domains(config, [])).items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=48)
    parser.add_argument("--steps", type=int, nargs="+", default=[2, 12])
    given = parser.parse_args()
    domains = load(given.samples)
    backbone = load_backbone(BackboneSection(), decode=decode, seed=0)
    train = TrainSection(epochs=4, batch_samples=BATCH, learning_rate=2e-3)
    Learner(backbone, NAIVE, train, seed=0).train(domains[FIRST], domain=FIRST, stage=FIRST)
    here = backbone.trainable_state()
    backbone.module.eval()
    rows = range(0, len(domains[FIRST]), BATCH)
    batches = [backbone.collate(domains[FIRST][at : at + BATCH])[0] for at in rows]
    before, curvature = log_chances(backbone, batches), Curvature(backbone, batches)
    lines = []
    for other in OTHERS:
        for steps in given.steps:
            backbone.load_trainable_state(here)
            section = train.model_copy(update={"max_steps": steps, "schedule": "constant"})
            Learner(backbone, NAIVE, section, seed=0).train(
                domains[other], domain=other, stage=other
            )
            backbone.module.eval()
            away = {n: p - here[n] for n, p in backbone.trainable_state().items()}
            true = divergence(before, log_chances(backbone, batches))
            backbone.load_trainable_state(here)
            found = [
                curvature.whole(away),
                curvature.by_diagonal(away),
                curvature.by_factors("expand", away),
                curvature.by_factors("reduce", away),
            ]
            lines.append(
                [other, str(steps), f"{true:.4f}", *(f"{one / true:.2g}" for one in found)]
            )
            print(lines[-1], flush=True)
    head = ["towards", "steps", "divergence (nats)", "whole Fisher", "diagonal", "expand", "reduce"]
    print(table(head, lines))
    one, other_seconds = penalty_seconds(curvature, away)
    kept = sum(a.numel() + g.numel() for a, g in curvature.factors["expand"].values())
    each = 1 + kept / backbone.trainable_parameters
    print(f"penalty's gradient: diagonal {1e3 * one:.2f} ms, factored {1e3 * other_seconds:.2f} ms")
    print(f"numbers kept per trainable parameter: 2 and {each:.1f}")


if __name__ == "__main__":
    main()
