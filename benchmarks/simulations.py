"""Do the statistics hold? Simulations of intervals, of forgetting and of similarity's p-values.

    python benchmarks/simulations.py [--repetitions 1000] [--only intervals best_arm ...]

Prints the tables of docs/statistics.md: what is drawn has a known truth, and each rule, the one of
earlier versions ("before") and today's ("now"), is asked for it again and again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
from best_arm import best_arm
from interval_coverage import CONFIDENCE, DRAWS, GROUPS, intervals
from report import table
from scipy import stats

from transferlab.metrics.baselines.matched_groups import match_groups
from transferlab.metrics.forgetting import corrected_forgetting
from transferlab.metrics.groups import GroupValues
from transferlab.metrics.pool import SIMILARITIES, Pool

DOMAINS = 4
"""Of a stream; forgetting is over all but the last."""
COURSES: dict[str, Callable[[int], list[float]]] = {
    "nothing is learned or lost": lambda j: [0.7] * (DOMAINS + 1),
    "learned and kept": lambda j: [0.4] * (j + 1) + [0.8] * (DOMAINS - j),
    "learned and lost at the end": lambda j: [0.4] * (j + 1) + [0.85] * (DOMAINS - j - 1) + [0.7],
    "lost step by step": lambda j: [0.4] * (j + 1) + [0.8 - 0.05 * i for i in range(DOMAINS - j)],
    "one row a little better": lambda j: [0.7] * (j + 1) + [0.75] + [0.7] * (DOMAINS - j - 1),
}
"""By name: of domain j, from 0, the chance of a right answer in every row of the matrix."""


def forgetting(repetitions: int) -> Iterator[str]:
    """Mean of both numbers, and how often their intervals hold the truth or lie above it."""
    yield "Mean forgetting over a stream of four domains:\n"
    rows = []
    for (name, course), groups in product(COURSES.items(), GROUPS):
        rng = np.random.default_rng([groups, 2])
        chances = [course(j) for j in range(DOMAINS - 1)]
        truth = float(np.mean([max(one[:-1]) - one[-1] for one in chances]))
        found = np.array([_forgotten(rng, chances, groups) for _ in range(repetitions)])
        old, low, high, new, least, most = found.T
        rows.append(
            [
                name,
                str(groups),
                f"{truth:+.3f}",
                f"{old.mean():+.3f}",
                _holds(low, high, truth),
                f"{new.mean():+.3f}",
                _holds(least, most, truth),
                f"{(most - least).mean():.2f}",
            ]
        )
    head = ["", "groups", "truth", "Chaudhry", "before: holds / above"]
    yield table([*head, "corrected", "now: holds / above", "width"], rows)


def _holds(low: np.ndarray, high: np.ndarray, truth: float) -> str:
    holds = (low <= truth + 1e-9) & (truth <= high + 1e-9)
    return f"{holds.mean():.2f} / {(low > truth + 1e-9).mean():.2f}"


def _forgotten(
    rng: np.random.Generator, chances: Sequence[Sequence[float]], groups: int
) -> tuple[float, ...]:
    """Chaudhry's number, its bootstrap interval, the corrected one, and its interval."""
    tables = [_rows(rng, one, groups) for one in chances]
    plain = float(np.mean([one[:-1].mean(axis=1).max() - one[-1].mean() for one in tables]))
    drawn = np.zeros(DRAWS)
    for one in tables:
        weights = rng.multinomial(groups, np.full(groups, 1 / groups), size=DRAWS) / groups
        under = weights @ one.T
        drawn += (under[:, :-1].max(axis=1) - under[:, -1]) / len(tables)
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = corrected_forgetting(
        [GroupValues(table=one, degrees=groups - 1) for one in tables],
        halvings=50, confidence=CONFIDENCE, seed=0,
    )  # fmt: skip
    return plain, low, high, found.value, found.interval.low, found.interval.high


def _rows(rng: np.random.Generator, chances: Sequence[float], groups: int) -> np.ndarray:
    """(rows, groups) shares of 4 right answers: what is hard is hard in every row, and a step
    changes single answers and whole groups by luck."""
    hard = rng.normal(0, 0.5, (1, groups, 1)) + rng.normal(0, 0.7, (1, groups, 4))
    own = rng.normal(0, 0.3, (len(chances), groups, 1)) + rng.normal(
        0, 0.6, (len(chances), groups, 4)
    )
    bound = stats.norm.ppf(chances) * np.sqrt(0.5**2 + 0.7**2 + 0.3**2 + 0.6**2)
    return (hard + own < bound[:, None, None]).mean(axis=2)


PERMUTATIONS, WIDTH = 199, 8
SIZES = {
    "200 x 1 and 200 x 1": ([1] * 200, [1] * 200),
    "200 x 1 and 20 x 10": ([1] * 200, [10] * 20),
    "40 x 5 and 20 x 10": ([5] * 40, [10] * 20),
    "200 x 1 and 5 x 40": ([1] * 200, [40] * 5),
    "30 of 1 to 12 and 100 x 1": ([1, 2, 3, 4, 6, 12] * 5, [1] * 100),
}
"""By name: the sizes of the source's groups and of the target's."""


def similarity(repetitions: int) -> Iterator[str]:
    """Share of p-values at or below .05, and their mean."""
    yield f"Share of p <= .05 (mean p), {PERMUTATIONS} permutations, {WIDTH} dimensions:\n"
    rows = []
    for (name, sizes), alike, shift in product(SIZES.items(), (0.0, 0.3, 0.8), (0.0, 0.2)):
        found: dict[str, list[list[float]]] = {one: [[], []] for one in MEASURES}
        for seed in range(repetitions):
            pool = _pool(np.random.default_rng([seed, 3]), sizes, alike, shift, seed)
            for at, asked in enumerate((pool, match_groups(pool))):
                splits = asked.splits(PERMUTATIONS)
                for one in MEASURES:
                    values = SIMILARITIES.get(one)(asked, splits)
                    reached = (values[1:] >= values[0] - 1e-12).sum()
                    found[one][at].append((1 + reached) / (1 + PERMUTATIONS))
        cells = [" -> ".join(map(_rejected, both)) for both in found.values()]
        rows.append([name, f"{alike}", f"{shift}", *cells])
    yield table(["groups", "correlation in groups", "shift (sd)", *MEASURES], rows)


MEASURES = ("frechet", "mmd", "proxy_a_distance", "sliced_wasserstein")


def _rejected(p_values: Sequence[float]) -> str:
    return f"{np.mean(np.array(p_values) <= 0.05):.2f} ({np.mean(p_values):.2f})"


def _pool(
    rng: np.random.Generator,
    sizes: tuple[list[int], list[int]],
    alike: float,
    shift: float,
    seed: int,
) -> Pool:
    sides, units = [], []
    for at, of in enumerate(sizes):
        group = np.repeat(np.arange(len(of)), of)
        centre = rng.normal(0, np.sqrt(alike), (len(of), WIDTH))
        noise = rng.normal(at * shift, np.sqrt(1 - alike), (len(group), WIDTH))
        sides.append(centre[group] + noise)
        units.append(group + at * len(sizes[0]))
    return Pool(
        rows=np.concatenate(sides),
        units=np.concatenate(units),
        sizes=(len(sides[0]), len(sides[1])),
        seed=seed,
    )


PARTS = {
    "intervals": intervals,
    "best_arm": best_arm,
    "forgetting": forgetting,
    "similarity": similarity,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    given = parser.parse_args(arguments)
    for name in given.only:
        print(f"## {name.capitalize()}\n")
        for part in PARTS[name](given.repetitions):
            print(part, flush=True)
        print()


if __name__ == "__main__":
    main()
