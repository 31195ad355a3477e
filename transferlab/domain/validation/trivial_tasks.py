"""Tasks that the mean brightness of their pictures solves: a score says nothing of what is seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from transferlab.domain.validation.findings import Problem
from transferlab.domain.validation.sample_index import SampleIndex

MIN_AUROC = 0.95
"""Of brightness for one label against the others, in either direction."""
MAX_CHANCE = 0.001
"""Probability that groups whose labels are drawn by lot are told apart so well, for one of all
labels of a domain (Bonferroni): few groups are separated by chance."""
_QUERY = """
SELECT samples.task, samples.label, avg(media.brightness)
FROM samples JOIN shown ON shown.sample = samples.id JOIN media ON media.id = shown.medium
WHERE samples.domain = ? AND samples.label IS NOT NULL AND media.brightness IS NOT NULL
GROUP BY samples.task, samples.label, samples.owner
"""


def find_trivial_tasks(sample_index: SampleIndex, domain: int) -> Iterator[Problem]:
    """A warning per classify task of which one label at least is told by brightness alone.

    One value counts per group and label, its pictures' mean: pictures of one patient are no
    independent evidence.
    """
    tasks: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for task, label, brightness in sample_index.rows(_QUERY, domain):
        tasks[task][label].append(brightness)
    compared = sum(len(by_label) for by_label in tasks.values() if len(by_label) > 1)
    for task, by_label in tasks.items():
        found = _clearest(by_label, max_chance=MAX_CHANCE / max(compared, 1))
        if found is not None:
            label, area = found
            where = f"tasks.{task}"
            reason = (
                f"the mean brightness of a picture alone tells '{label}' from the other labels "
                f"(AUROC {area:.2f}): a model may score well without seeing anything else; if the "
                "labels come from different devices or sources, compare with the controls"
            )
            yield Problem(kind="trivial", where=where, reason=reason, severity="warning")


def _clearest(
    by_label: Mapping[str, Sequence[float]], *, max_chance: float
) -> tuple[str, float] | None:
    """The label that brightness tells best, with the area; None where none is told so well."""
    # Imported here: it brings scipy.
    from scipy.stats import mannwhitneyu

    best: tuple[str, float] | None = None
    for label, own in by_label.items():
        others = [one for other, some in by_label.items() if other != label for one in some]
        if not others:
            continue
        statistic, chance = mannwhitneyu(own, others, alternative="two-sided")
        area = float(statistic) / (len(own) * len(others))
        area = max(area, 1 - area)
        if area >= MIN_AUROC and chance <= max_chance and (best is None or area > best[1]):
            best = label, area
    return best
