"""The JSON schema that editors complete YAML from, and the reference page made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from transferlab.config.pipeline import PipelineConfig

_HEADER = """# pipeline.yaml

One file is one experiment. This page is made from the schema
(`python -m transferlab.config.schema > docs/pipeline-yaml.md`); a test compares the two. Editors
complete and check a pipeline against `transferlab validate --schema`.

- Unknown keys are errors, and so are values of the wrong type: `"16"` is text, not a number.
- Plain scalars are read as YAML 1.2 does: `2e-3` is a number; `no`, `off` and `1:30` are text, so
  write `true` or `false`.
- `transferlab run FILE --set dotted.key=value` changes one setting; the value is read as YAML. An
  item of a list is named by its position or its name: `--set strategy.ewc.strength=10`,
  `--set stream.0=chest-xray-real`, `--set stream=[lectures,chest-xray]`,
  `--set train.max_steps=null`.
"""


def pipeline_schema() -> dict[str, Any]:
    """JSON schema of pipeline.yaml, as people write it."""
    schema = PipelineConfig.model_json_schema()
    spec = schema["$defs"]["StrategySpec"]
    options = {"type": ["object", "null"]}
    schema["$defs"]["StrategySpec"] = {
        "description": spec["description"],
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": options,
                "not": {"required": ["name"]},
            },
            {key: value for key, value in spec.items() if key not in ("description", "title")},
        ],
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def pipeline_reference() -> str:
    """Markdown: every key of every section, its type, default and meaning."""
    schema = PipelineConfig.model_json_schema()
    parts = [_HEADER, _section("Top level", schema, schema["$defs"], level=2)]
    return "\n".join(parts).rstrip() + "\n"


def _section(title: str, node: dict[str, Any], defs: dict[str, Any], *, level: int) -> str:
    below = []
    for key, value in node["properties"].items():
        inner = _inner(value, defs)
        if inner:
            path = key if title == "Top level" else f"{title.strip('`')}.{key}"
            below.append((f"`{path}`", inner))
    lines = [f"{'#' * level} {title}", "", one_line(node.get("description", "")), ""]
    lines.append(key_table(node, defs))
    text = "\n".join(lines) + "\n"
    return "\n".join([text, *(_section(t, n, defs, level=level) for t, n in below)])


def key_table(node: dict[str, Any], defs: dict[str, Any]) -> str:
    """Markdown: every key of one section of a JSON schema, its type, default and meaning."""
    required = node.get("required", [])
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, value in node["properties"].items():
        inner = _inner(value, defs)
        name = inner["description"] if inner and "description" not in value else ""
        meaning = one_line(value.get("description", name))
        default = "required" if key in required else _default(value, inner)
        lines.append(f"| `{key}` | {_type(value, defs)} | {default} | {meaning} |")
    return "\n".join(lines)


def _inner(value: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any] | None:
    """The section that a key holds, directly, optionally, or as the values or items of it."""
    for reference in _references(value):
        return defs[reference.rpartition("/")[2]]
    return None


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for child in ("anyOf", "items", "additionalProperties"):
            yield from _references(node.get(child))
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _type(value: dict[str, Any], defs: dict[str, Any]) -> str:
    if "anyOf" in value:
        return " or ".join(_type(member, defs) for member in value["anyOf"])
    if "$ref" in value:
        return "section"
    if "enum" in value:
        return ", ".join(f"`{option}`" for option in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    kind = value.get("type", "any")
    if kind == "array":
        return f"list of {_type(value['items'], defs).replace('section', 'sections')}"
    if kind == "object":
        inner = value.get("additionalProperties")
        return f"names with a {_type(inner, defs)} each" if isinstance(inner, dict) else "keys"
    words = {"integer": "whole number", "string": "text", "boolean": "true or false"}
    return words.get(kind, "none" if kind == "null" else kind) + _limits(value)


def _limits(value: dict[str, Any]) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    found = [f"{sign} {value[key]:g}" for key, sign in signs.items() if key in value]
    return f" ({', '.join(found)})" if found else ""


def _default(value: dict[str, Any], inner: dict[str, Any] | None) -> str:
    given = value.get("default")
    if inner and isinstance(given, dict):
        return "see below" if given else "none given"
    if inner and isinstance(given, list):
        return ", ".join(f"`{item['name']}`" for item in given)
    return "`" + json.dumps(given).replace('"', "") + "`"


def one_line(text: str) -> str:
    """Docstrings in markdown's spelling, and with YAML's word for nothing."""
    return re.sub(r"\bNone\b", "`null`", " ".join(text.split()).replace("``", "`"))


if __name__ == "__main__":
    print(pipeline_reference(), end="")
