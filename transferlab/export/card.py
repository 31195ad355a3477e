"""The model card of an exported adapter, made from the content of result.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transferlab.core.text.sanitizers import escape_json, sanitize_markdown
from transferlab.metrics.controls import control_values, title

EMBEDDED = "transferlab/tiny"
KNOWN_LICENCES = ("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0",
                  "cc-by-nc-sa-4.0", "cc-by-3.0", "cc-by-sa-3.0")  # fmt: skip
"""The identifiers, as the Hugging Face Hub knows them, that domains are likely to carry."""


def render_card(result: Mapping[str, Any], *, after: str, routed_by: str | None = None) -> str:
    """A Hugging Face model card: front matter, the matrix, the controls, licences and limits.

    Args:
        result: the content of result.json; ``exports`` is not read.
        after: the domain after whose step the adapter was taken.
        routed_by: the strategy that answered each question with one of several adapters, if any.
    """
    pipeline = result["pipeline"]
    sections = (
        _front_matter(result),
        _head(result, after),
        *_answer(result.get("answer") or []),
        _usage(pipeline["backbone"]),
        *([] if routed_by is None else [_routing(routed_by, after)]),
        _scores(result["scores"]),
        _summary(result["summary"]),
        _controls(result["arms"], result["controls"]),
        _training(result),
        _licences(result["domains"]),
        _limits(),
    )
    return "\n\n".join(sections) + "\n"


def non_commercial(licence: str) -> bool:
    """Whether a licence's name says that the data must not be used commercially."""
    words = re.split(r"[^a-z]+", licence.lower())
    return "nc" in words or "noncommercial" in words or {"non", "commercial"} <= set(words)


def _front_matter(result: Mapping[str, Any]) -> str:
    """YAML between two rules; every value is written as JSON, which YAML reads as it is."""
    licences = sorted({one["licence"].lower() for one in result["domains"].values()})
    fields: dict[str, Any] = {
        "base_model": _base_name(result["pipeline"]["backbone"]["model"]),
        "library_name": "peft",
        "pipeline_tag": "image-text-to-text",
        "tags": ["transferlab", "continual-learning", *result["pipeline"]["stream"]],
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


def _base_name(model: str) -> str:
    """A Hugging Face id as it is; of a local path the last part only."""
    return model.rstrip("/").rpartition("/")[2] if model.startswith(("/", "~", ".")) else model


def _head(result: Mapping[str, Any], after: str) -> str:
    pipeline = result["pipeline"]
    strategy = " + ".join(one["name"] for one in pipeline["strategy"])
    base = sanitize_markdown(_base_name(pipeline["backbone"]["model"]))
    return (
        f"# {sanitize_markdown(pipeline['name'])}: {base} after {sanitize_markdown(after)}\n\n"
        "A PEFT adapter that transferlab made by training on "
        f"{sanitize_markdown(' then '.join(pipeline['stream']))} with the strategy "
        f"{sanitize_markdown(strategy)} (seed {result['seed']})."
    )


def _usage(backbone: Mapping[str, Any]) -> str:
    imports = (
        "from peft import PeftModel\n"
        "from transformers import AutoModelForImageTextToText, AutoProcessor"
    )
    revision = ""
    if backbone["model"] == EMBEDDED:
        imports += "\nfrom transferlab.tiny import assets  # the base ships with transferlab"
        base = "str(assets())"
    else:
        base = json.dumps(_base_name(backbone["model"]))
        if backbone["revision"]:
            revision = f", revision={json.dumps(backbone['revision'])}"
    return (
        f"## How to load it\n\n```python\n{imports}\n\n"
        f"base = {base}\n"
        'folder = "path/to/this/folder"\n'
        "processor = AutoProcessor.from_pretrained(folder)\n"
        f"model = AutoModelForImageTextToText.from_pretrained(base{revision})\n"
        "model = PeftModel.from_pretrained(model, folder).eval()\n```\n\n"
        "How the model was asked, by domain and task, stands in `prompts.json`: the template of "
        "the prompt, and the choices among which it answered.\n\n"
        "Before it was exported, the adapter was loaded in this way and its logits compared with "
        "the trained model's."
    )


def _answer(sentences: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the run found; nothing for a result of an earlier version."""
    if not sentences:
        return []
    lines = [f"- {sanitize_markdown(one['text'])}" for one in sentences]
    return ["## What was found\n\n" + "\n".join(lines)]


def _routing(strategy: str, after: str) -> str:
    """That the scores are of several adapters."""
    return (
        f"**This is the adapter of {sanitize_markdown(after)} alone.** The scores below are of all "
        f"adapters of the run, of which the strategy {sanitize_markdown(strategy)} chose one for "
        "each question; what chooses is not in this folder."
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


def _controls(arms: Mapping[str, Any], controls: Mapping[str, Mapping[str, Any]]) -> str:
    """The adapter's own scores (the sequential arm) beside what needs no understanding."""
    measured = [control_values(one) for tasks in controls.values() for one in tasks.values()]
    names = list(dict.fromkeys(name for one in measured for name in one))
    rows = []
    for domain, tasks in controls.items():
        for task, one in tasks.items():
            scored = arms["sequential"][domain]["tasks"][task]
            found = [_number(control_values(one).get(control)) for control in names]
            own = f"**{_number(scored['value'])}**"
            rows.append([domain, task, scored["metric"], own, *found])
    if not rows:
        return "## Controls\n\nNone were measured: these scores have nothing to be held against."
    head = ["domain", "task", "metric", "this adapter", *map(title, names)]
    return (
        "## Controls\n\nA score means something only where it is above what needs no "
        "understanding: the most frequent answer, the same model without the image, logistic "
        "regression on raw pixels, a copied training answer, chance.\n\n"
        f"{_table(head, rows, own=[3])}"
    )


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
