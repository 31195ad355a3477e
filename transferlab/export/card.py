"""The model card of an exported model, made from the content of result.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transferlab.core.text.sanitizers import escape_json, sanitize_markdown
from transferlab.export.usage import base_name, usage
from transferlab.metrics.controls import best_control, control_values, is_understood, title

LIBRARIES = {"adapter": "peft", "mlflow": "mlflow"}
"""What loads a format; a whole model of ours is loaded by transformers."""
LOSING = "\\*"
KNOWN_LICENCES = ("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0",
                  "cc-by-nc-sa-4.0", "cc-by-3.0", "cc-by-sa-3.0")  # fmt: skip
"""The identifiers, as the Hugging Face Hub knows them, that domains are likely to carry."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the card is of."""

    kind: str
    """The format: "adapter" or one of whole models."""
    arm: str
    """sequential, single, joint or scratch."""
    after: str
    """The domain after whose step it was taken, of the sequential arm; else the one it is of."""
    trained_on: Sequence[str]
    routed_by: str | None = None
    """The strategy that answered each question with one of several adapters, if any."""
    prompts: Mapping[str, Any] = field(default_factory=dict)
    """By domain and task, how it was asked."""

    @property
    def is_adapter(self) -> bool:
        return self.kind == "adapter"

    @property
    def noun(self) -> str:
        return "adapter" if self.is_adapter else "model"


def render_card(result: Mapping[str, Any], subject: Subject) -> str:
    """A Hugging Face model card: front matter, how to ask it, scores, controls, licences, limits.

    Args:
        result: the content of result.json; ``exports`` is not read.
        subject: which of the run's models, in which format.
    """
    pipeline = result["pipeline"]
    routed = subject.routed_by
    sections = (
        _front_matter(result, subject),
        _head(result, subject),
        *_answer(result.get("answer") or []),
        usage(pipeline["backbone"], kind=subject.kind, prompts=subject.prompts),
        *([] if routed is None else [_routing(routed, subject.after)]),
        _own_scores(result, subject),
        _scores(result["scores"]),
        _summary(result["summary"]),
        _training(result),
        _licences(result["domains"]),
        _limits(),
    )
    return "\n\n".join(sections) + "\n"


def non_commercial(licence: str) -> bool:
    """Whether a licence's name says that the data must not be used commercially."""
    words = re.split(r"[^a-z]+", licence.lower())
    return "nc" in words or "noncommercial" in words or {"non", "commercial"} <= set(words)


def _front_matter(result: Mapping[str, Any], subject: Subject) -> str:
    """YAML between two rules; every value is written as JSON, which YAML reads as it is."""
    licences = sorted({one["licence"].lower() for one in result["domains"].values()})
    fields: dict[str, Any] = {
        "base_model": base_name(result["pipeline"]["backbone"]["model"]),
        "library_name": LIBRARIES.get(subject.kind, "transformers"),
        "pipeline_tag": "image-text-to-text",
        "tags": ["transferlab", "continual-learning", *subject.trained_on],
    }
    if len(licences) == 1 and licences[0] in KNOWN_LICENCES:
        fields["license"] = licences[0]
    else:
        fields |= {"license": "other", "license_name": "see-the-licences-of-the-data"}
    rows = [
        f"{key}: {escape_json(json.dumps(value, ensure_ascii=False))}"
        for key, value in fields.items()
    ]
    return "\n".join(["---", *rows, "---"])


def _head(result: Mapping[str, Any], subject: Subject) -> str:
    pipeline = result["pipeline"]
    base = sanitize_markdown(base_name(pipeline["backbone"]["model"]))
    named = subject.after if subject.arm != "joint" else ", ".join(subject.trained_on)
    how = {"sequential": "after", "single": "on", "joint": "on", "scratch": "from scratch on"}
    return (
        f"# {sanitize_markdown(pipeline['name'])}: {base} {how[subject.arm]} "
        f"{sanitize_markdown(named)}\n\n"
        f"A {'PEFT adapter' if subject.is_adapter else 'whole model'} that transferlab made by "
        f"{_training_of(pipeline, subject)} (seed {result['seed']})."
    )


def _training_of(pipeline: Mapping[str, Any], subject: Subject) -> str:
    if subject.arm == "sequential":
        strategy = sanitize_markdown(" + ".join(one["name"] for one in pipeline["strategy"]))
        stream = sanitize_markdown(" then ".join(subject.trained_on))
        return f"training on {stream} with the strategy {strategy}"
    domains = sanitize_markdown(" and ".join(subject.trained_on))
    if subject.arm == "joint":
        return f"training on {domains} together"
    if subject.arm == "scratch":
        return f"training all parameters from random values on {domains}"
    return f"training on {domains} alone"


def _answer(sentences: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the run found; nothing for a result of an earlier version."""
    if not sentences:
        return []
    lines = [f"- {sanitize_markdown(one['text'])}" for one in sentences]
    return ["## What was found\n\n" + "\n".join(lines)]


def _routing(strategy: str, after: str) -> str:
    """That the scores are of several adapters."""
    return (
        f"**This is the adapter of {sanitize_markdown(after)}, and not what was scored.** The "
        f"scores below are of what the strategy {sanitize_markdown(strategy)} chose, or put "
        "together, for each question from the adapters of all domains; what does so is not in this "
        "folder."
    )


def _scores(scores: Mapping[str, Any]) -> str:
    domains = [column["domain"] for column in scores["columns"]]
    rows = [
        [row["after"], *(_number(row["values"][domain]) for domain in domains)]
        for row in scores["rows"]
    ]
    metrics = "\n".join(
        f"- {sanitize_markdown(one['domain'])}: {sanitize_markdown(one['metric'])}"
        for one in scores["columns"]
    )
    return (
        "## Scores\n\nRows: after which step. Columns: on which domain's test split.\n\n"
        f"{_table(['after', *domains], rows)}\n\n{metrics}"
    )


def _summary(summary: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [name, _number(one["value"]), _interval(one["interval"]), _meaning(one)]
        for name, one in summary.items()
    ]
    return f"## Summary\n\n{_table(['', 'value', 'interval', 'definition'], rows, own=[2, 3])}"


def _meaning(one: Mapping[str, Any]) -> str:
    """The definition, and why there is no interval where a value has none."""
    text, reason = str(one.get("definition", "")), one.get("interval_reason")
    if not reason or one["value"] is None:
        return text
    return f"{text}; no interval: {sanitize_markdown(reason)}"  # it names tasks and domains


def _own_scores(result: Mapping[str, Any], subject: Subject) -> str:
    """This model's scores beside what needs no understanding."""
    head = f"## Scores of this {subject.noun} and its controls\n\n"
    if subject.arm == "sequential" and subject.after != result["pipeline"]["stream"][-1]:
        return f"{head}It was taken after {sanitize_markdown(subject.after)}: see that row below."
    controls = result["controls"]
    mine = [subject.after] if subject.arm in ("single", "scratch") else list(controls)
    measured = {name: controls[name] for name in mine if name in controls}
    found = [one for tasks in measured.values() for one in tasks.values()]
    names = list(dict.fromkeys(name for one in found for name in control_values(one)))
    rows = [
        [domain, task, *_beside(result["arms"][subject.arm][domain]["tasks"][task], one, names)]
        for domain, tasks in measured.items()
        for task, one in tasks.items()
    ]
    if not rows:
        return f"{head}None were measured: these scores have nothing to be held against."
    titles = [f"this {subject.noun}", "interval", *map(title, names)]
    return (
        f"{head}A score means something only where it is above what needs no understanding: the "
        "most frequent answer, the same model without the image, logistic regression on raw "
        f"pixels, a copied training answer, chance. {LOSING} marks one that is not above the best "
        "of them by its interval: nothing is shown there.\n\n"
        f"{_table(['domain', 'task', 'metric', *titles], rows, own=[3])}"
    )


def _beside(
    scored: Mapping[str, Any], control: Mapping[str, Any], names: Sequence[str]
) -> list[str]:
    lost = best_control(control) is not None and not is_understood(scored, control)
    own = f"**{_number(scored['value'])}**" + (f" {LOSING}" if lost else "")
    values = control_values(control)
    bounds = _interval(scored.get("interval"))
    return [scored["metric"], own, bounds, *(_number(values.get(name)) for name in names)]


def _training(result: Mapping[str, Any]) -> str:
    rows = [
        [domain, str(one["train_samples"]), str(one["train_tokens"])]
        for domain, one in result["data_quantity"].items()
    ]
    return f"## Training data\n\n{_table(['domain', 'samples', 'answer tokens'], rows)}"


def _licences(domains: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [
            name,
            one["title"],
            one["role"],
            one["licence"],
            f"{one['version']} ({one['digest'][:12]})",
        ]
        for name, one in domains.items()
    ]
    table = _table(["domain", "title", "role", "licence", "version (digest)"], rows)
    barred = [name for name, one in domains.items() if non_commercial(one["licence"])]
    text = f"## Licences of the data\n\n{table}"
    if barred:
        named = sanitize_markdown(", ".join(barred))
        text += f"\n\n**Not for commercial use:** the licence of {named} forbids it."
    return text


def _limits() -> str:
    return (
        "## Limits\n\nFor research. **Not a medical device, and not for clinical use**: no finding "
        "of this model may decide about a patient. The scores hold for the test splits above; data "
        "from another hospital, scanner, language or teacher will score otherwise."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, own: Sequence[int] = ()) -> str:
    """A Markdown table. What stands in it is text, but for the columns ``own``, by position, which
    hold Markdown of our own."""
    lines = [list(map(sanitize_markdown, head)), ["---"] * len(head)]
    for row in rows:
        safe = [cell if at in own else sanitize_markdown(cell) for at, cell in enumerate(row)]
        lines.append(safe)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"[{interval[0]:.3f}, {interval[1]:.3f}]"
