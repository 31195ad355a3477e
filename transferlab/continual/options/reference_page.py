"""The catalogue in docs/strategies.md, made from the registry of strategies."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transferlab.config.schema import key_table, one_line
from transferlab.continual.options.base import Needs
from transferlab.continual.options.registry import OPTIONS
from transferlab.continual.options.unsupported import EXCLUDED

MARK = "<!-- made from the registry from here on -->\n"
"""In docs/strategies.md: what stands above it is written by hand."""
FAMILY_TITLES = {
    "baseline": "Baselines and controls",
    "rehearsal": "Rehearsal: samples are remembered and trained on again",
    "penalty": "Penalties: important parameters are held where past domains left them",
    "distillation": "Distillation: what the model computes is held, not its parameters",
    "projection": "Projection: the gradient is bent so that past domains are not harmed",
    "isolation": "Isolation: each domain learns where no other does",
    "averaging": "Averaging: what was learned is put together afterwards",
    "plugin": "Somebody else's",
}


def describe(name: str) -> dict[str, Any]:
    """What ``transferlab strategies show`` says of a strategy, as plain values."""
    options = OPTIONS[name]
    schema = options.model_json_schema()
    return {
        "name": name,
        "summary": summary_of(name),
        "use": options.use,
        "paper": options.paper,
        "needs": needs_in_words(options.needs),
        "facts": asdict(options.needs),
        "options": {
            key: {**value, "description": one_line(value.get("description", ""))}
            for key, value in schema.get("properties", {}).items()
        },
    }


def summary_of(name: str) -> str:
    """The strategy in a line."""
    return one_line((OPTIONS[name].__doc__ or "").partition("\n\n")[0])


def needs_in_words(needs: Needs) -> list[str]:
    """What a strategy needs beyond the training batches; empty when nothing."""
    words = []
    if needs.past_samples:
        words.append("a memory of past samples (their ids)")
    if needs.previous_model:
        words.append("a copy of the trainable parameters after the last domain")
    if needs.keeps:
        words.append(needs.keeps)
    if needs.extra_passes:
        words.append(f"extra passes: {needs.extra_passes}")
    if needs.grows:
        words.append(f"grows with the number of past domains: {needs.grows}")
    return words


def strategies_page(page: str) -> str:
    """Markdown: a page's own words up to ``MARK``, then the catalogue, and what is not in it."""
    parts = [page.partition(MARK)[0] + MARK, "## All of them\n"]
    families: dict[str, list[str]] = {}
    for name in OPTIONS:
        families.setdefault(OPTIONS[name].family, []).append(name)
    for family, names in families.items():
        title = FAMILY_TITLES.get(family, family or "Third parties'")
        rows = [
            f"### {title}\n",
            "| name | what | needs |",
            "|---|---|---|",
        ]
        for name in names:
            needs = "; ".join(needs_in_words(OPTIONS[name].needs)) or "nothing"
            rows.append(f"| [`{name}`](#{name}) | {summary_of(name)} | {needs} |")
        parts.append("\n".join(rows) + "\n")
    parts += [_entry(name) for name in OPTIONS]
    excluded = ["## Not offered", "", "| Avalanche's | why |", "|---|---|"]
    excluded += [f"| `{name}` | {reason} |" for name, reason in sorted(EXCLUDED.items())]
    return "\n".join([*parts, "\n".join(excluded)]) + "\n"


def _entry(name: str) -> str:
    options = OPTIONS[name]
    needs = "; ".join(needs_in_words(options.needs)) or "nothing"
    body = one_line((options.__doc__ or "").partition("\n\n")[2])
    lines = [f"## {name}", "", summary_of(name), ""]
    lines += [body, ""] if body else []
    lines += [f"- When: {options.use}", f"- Paper: {options.paper}", f"- Needs: {needs}", ""]
    schema = options.model_json_schema()
    if schema.get("properties"):
        lines += [key_table(schema, schema.get("$defs", {})), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(strategies_page(file.read_text("utf-8")), "utf-8")
