"""What do the rules make of a model's likelihoods? Zero-shot answers, rule by rule.

    python benchmarks/likelihood.py MODEL [--tasks chest-xray/finding ...] [--samples 80]

Prints, per closed task: the primary metric by rule, how often the answer is a choice
of fewest tokens, how often the commonest answer is given, and the correlation of the mean
log-likelihood of a choice with its tokens. MODEL is a folder or an id.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator

import numpy as np
from report import table

from transferlab import load_domain
from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import BackboneSection
from transferlab.config.pipeline import EvaluationSection
from transferlab.core.protocols import Backbone
from transferlab.core.records import SPLITS, DomainData, Prediction
from transferlab.domain.media.decoder import decode
from transferlab.evaluation.likelihood import (
    MAX_VALIDATION,
    Baselines,
    answers_by,
    compare_rules,
    fewest_tokens_share,
)
from transferlab.evaluation.prediction import predict, select_samples
from transferlab.evaluation.scoring import metrics_of, outcomes_of
from transferlab.metrics.answers import measure

TASKS = (
    "chest-xray/finding",
    "textbook-figures/subject",
    "lectures/figure",
    "chest-xray-real/finding",
)


def rows(
    backbone: Backbone, data: DomainData, task: str, section: EvaluationSection, *, held_out: int
) -> Iterator[list[str]]:
    """A table's rows: one task by every rule."""
    own = {name: [one for one in data.splits[name] if one.task == task] for name in SPLITS}
    test = select_samples(own["test"], limit=section.max_test_samples)
    validation = predict(backbone, select_samples(own["validation"], limit=held_out), section)
    predictions = predict(backbone, test, section)
    baselines = Baselines(backbone, batch_samples=section.batch_samples)
    rules, chosen = compare_rules(
        section, predictions, validation, baselines=baselines, trained=False
    )
    metric = metrics_of(data, task)[0]
    for name, scores in rules.items():
        answers = answers_by(predictions, scores)
        commonest = Counter(one.text for one in answers).most_common(1)[0][1] / len(answers)
        loss = chosen.cross_entropy.get(name)
        yield [
            f"{data.name}: {task}, {len(test)} samples",
            f"**{name}**" if name == chosen.rule else name,
            f"{measure(metric, outcomes_of(answers, metric=metric)):.3f} {metric}",
            "-" if loss is None else f"{loss:.3f} ({chosen.samples})",
            _share(fewest_tokens_share(answers)),
            _share(commonest),
            f"{_correlation(predictions):+.2f}" if name == "sum" else "",
        ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _correlation(predictions: list[Prediction]) -> float:
    """Over choices, of the mean log-likelihood over samples with the number of tokens."""
    if len({one.sample.choices for one in predictions}) > 1:
        values = np.concatenate([one.log_likelihoods for one in predictions])
        tokens = np.concatenate([one.choice_tokens for one in predictions])
    else:
        values = np.mean([one.log_likelihoods for one in predictions], axis=0)
        tokens = np.array(predictions[0].choice_tokens)
    return float(np.corrcoef(values, tokens)[0, 1]) if len(set(tokens.tolist())) > 1 else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--samples", type=int, default=80)
    parser.add_argument("--validation", type=int, default=MAX_VALIDATION)
    options = parser.parse_args()
    section = EvaluationSection(max_test_samples=options.samples)
    backbone = load_backbone(BackboneSection(model=options.model), decode=decode, seed=0)
    head = ["task", "rule", "score", "validation", "fewest tokens", "commonest", "r"]
    for one in options.tasks:
        name, task = one.split("/")
        data = load_domain(name, on_bad_sample="quarantine")
        found = rows(backbone, data, task, section, held_out=options.validation)
        print(table(head, list(found)), flush=True)


if __name__ == "__main__":
    main()
