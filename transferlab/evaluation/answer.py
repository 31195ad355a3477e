"""What a run found, in sentences: each with its figure, and none that claims more than that.

A difference is called one where its interval excludes zero; otherwise the sentence says that
nothing is shown, and where there is no interval, why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transferlab.evaluation.leads import Lead
from transferlab.metrics.controls import best_control, is_understood

Result = Mapping[str, Any]
Sentence = dict[str, Any]


def answer(result: Result, leads: Sequence[Lead]) -> list[Sentence]:
    """The sentences with which a run ends, most asked first.

    Args:
        result: with the sections ``pipeline``, ``arms``, ``summary``, ``gains`` and ``controls`` of
            result.json.
        leads: which arm is ahead, per domain and, ``domain`` being None, over the stream.

    Returns:
        ``{"about", "text", "domain", "value", "interval"}`` each. ``about`` is one of best_arm,
        forgetting, source_retention, transfer, controls, model and next; ``domain`` is None where
        all are meant, and ``value`` and ``interval`` are the figures that the sentence rests on.
    """
    by_domain = [one for one in leads if one.domain is not None]
    return [
        *(_best_arm(result, lead) for lead in by_domain),
        *_forgetting(result),
        *_source_retention(result),
        *_transfer(result),
        *_controls(result, by_domain),
        *(_model(lead) for lead in leads if lead.domain is None),
        _next(result, by_domain),
    ]


def _best_arm(result: Result, lead: Lead) -> Sentence:
    assert lead.domain is not None
    scored = result["arms"][lead.arm][lead.domain]
    if lead.over is not None and lead.value == 0:
        both = f"{_name(lead.arm)} and {_name(lead.over)}"
        text = f"{lead.domain}: {both} score alike and best, {_score(scored)} ({_groups(lead)})"
        return _sentence("best_arm", text, _figures(lead), domain=lead.domain)
    text = f"{lead.domain}: {_name(lead.arm)} scores best, {_score(scored)} ({_groups(lead)})"
    if lead.over is not None:
        text += f"; {_verdict(_figures(lead), _AHEAD, over=_name(lead.over))}"
    return _sentence("best_arm", text, _figures(lead), domain=lead.domain)


_AHEAD = (
    "it is ahead of {over} by {figure}",
    "it is behind {over} by {figure}",
    "that it is ahead of {over} is not shown: {figure}",
    "whether it is ahead of {over} ({figure}) cannot be said: {reason}",
)


def _groups(lead: Lead) -> str:
    return f"{lead.groups} test group{'s' if lead.groups != 1 else ''}"


def _figures(lead: Lead) -> dict[str, Any]:
    bounds = None if lead.interval is None else [lead.interval.low, lead.interval.high]
    return {"value": lead.value, "interval": bounds, "interval_reason": lead.reason}


def _forgetting(result: Result) -> Iterator[Sentence]:
    found = result["summary"].get("forgetting_corrected")
    if found is None or found["value"] is None:
        return
    words = (
        "earlier domains were forgotten by {figure}",
        "earlier domains have gained since they were learned: forgetting is {figure}",
        "no forgetting of earlier domains is shown: {figure}",
        "forgetting of earlier domains is {figure}, and how sure that is cannot be said: {reason}",
    )
    yield _sentence("forgetting", _verdict(found, words), found)


def _source_retention(result: Result) -> Iterator[Sentence]:
    found, source = result["summary"].get("source_retention"), result["pipeline"].get("source")
    if found is None or found["value"] is None:
        return
    words = (
        "the source domain {over} has gained: {figure}",
        "the source domain {over} has lost: {figure}",
        "no loss on the source domain {over} is shown: {figure}",
        "the source domain {over} has changed by {figure}, and how sure that is cannot be said: "
        "{reason}",
    )
    yield _sentence("source_retention", _verdict(found, words, over=source), found, domain=source)


def _transfer(result: Result) -> Iterator[Sentence]:
    """Whether starting from the pretrained backbone helped."""
    gains = [one for one in result["gains"] if (one["arm"], one["over"]) == ("single", "scratch")]
    words = (
        "{over}: the pretrained backbone helped, single is above scratch by {figure}",
        "{over}: negative transfer, the pretrained backbone did harm: single over scratch {figure}",
        "{over}: that the pretrained backbone helped is not shown: single over scratch {figure}",
        "{over}: whether the pretrained backbone helped (single over scratch {figure}) cannot be "
        "said: {reason}",
    )
    for one in gains:
        text = _verdict(one, words, over=one["domain"])
        yield _sentence("transfer", text, one, domain=one["domain"])
    if not gains:
        text = (
            "whether the pretrained backbone helped was not measured: that takes the arms single "
            "and scratch"
        )
        yield _sentence("transfer", text, {})


def _controls(result: Result, leads: Sequence[Lead]) -> Iterator[Sentence]:
    """What the best arm understands of each domain."""
    for lead in leads:
        above, below = _understood(result, lead)
        if not above and not below:
            continue
        arm = _name(lead.arm)
        if above:
            text = f"{lead.domain}: {arm} is above the best control in {_listed(above)}"
            text += f", and not, by its interval, in {_listed(below)}" if below else ""
        else:
            text = (
                f"{lead.domain}: {arm} is not above the best control, by its interval, in any "
                f"task: {_listed(below)}"
            )
        yield _sentence("controls", text, {}, domain=lead.domain)


def _understood(result: Result, lead: Lead) -> tuple[list[str], list[str]]:
    """Tasks with controls in which an arm is above the best of them, and the others, in words."""
    controls = (result.get("controls") or {}).get(lead.domain) or {}
    above: list[str] = []
    below: list[str] = []
    for task, scored in result["arms"][lead.arm][lead.domain]["tasks"].items():
        best = best_control(controls.get(task) or {})
        if best is not None:
            words = f"{task} ({_score(scored)}, control {best:.3f})"
            (above if is_understood(scored, controls[task]) else below).append(words)
    return above, below


_TAKE = (
    "the model to take is {best}: over the stream it is ahead of {over} by {figure}",
    "{best} is behind {over} by {figure}",
    "no model is shown to be the one to take: the highest mean over the stream is that of {best}, "
    "and that it is ahead of {over} is not shown: {figure}",
    "the highest mean over the stream is that of {best}; whether it is ahead of {over} ({figure}) "
    "cannot be said: {reason}",
)


def _model(lead: Lead) -> Sentence:
    names = {"single": "single, one model per domain", "zero_shot": "the backbone as it was"}
    best = names.get(lead.arm, _name(lead.arm))
    if lead.over is None:
        text = f"the only model that was scored on the whole stream is {best}"
    else:
        words = [one.replace("{best}", best) for one in _TAKE]
        text = _verdict(_figures(lead), words, over=_name(lead.over))
    means = ", ".join(f"{_name(arm)} {value:.3f}" for arm, value in lead.means.items())
    return _sentence("model", f"{text} (means: {means})", _figures(lead))


def _next(result: Result, leads: Sequence[Lead]) -> Sentence:
    blind = [str(one.domain) for one in leads if _is_blind(result, one)]
    routed = [
        one["domain"]
        for one in result["gains"]
        if (one["arm"], one["over"]) == ("sequential", "single") and _is_below(one)
    ]
    if blind:
        text = (
            f"next: more training samples or steps for {_listed(blind)}, where nothing is above "
            "its controls"
        )
    elif routed:
        text = (
            f"next: an adapter per domain with a router (strategy per_domain), as single is ahead "
            f"of sequential on {_listed(routed)}"
        )
    elif _is_above(result["summary"].get("forgetting_corrected") or {}):
        text = "next: more replay or a stronger penalty, as earlier domains were forgotten"
    elif not any(_is_above(_figures(lead)) for lead in leads):
        text = (
            "next: more test groups, or several seeds (benchmarks/seeds.py), as no arm is shown to "
            "be ahead of another"
        )
    else:
        text = "next: several seeds, as intervals are over test groups and not over trainings"
    return _sentence("next", text, {})


def _is_blind(result: Result, lead: Lead) -> bool:
    above, below = _understood(result, lead)
    return bool(below) and not above


def _verdict(found: Mapping[str, Any], words: Sequence[str], *, over: str | None = None) -> str:
    """One of four sentences: above zero, below it, neither, and without an interval."""
    above, below, neither, unknown = words
    interval = found["interval"]
    if interval is None:
        chosen = unknown
    elif interval[0] > 0:
        chosen = above
    elif interval[1] < 0:
        chosen = below
    else:
        chosen = neither
    reason = found.get("interval_reason")
    return chosen.format(over=over, figure=_figure(found), reason=reason)


def _is_above(found: Mapping[str, Any]) -> bool:
    interval = found.get("interval")
    return interval is not None and interval[0] > 0


def _is_below(found: Mapping[str, Any]) -> bool:
    interval = found.get("interval")
    return interval is not None and interval[1] < 0


def _figure(found: Mapping[str, Any]) -> str:
    """``+0.051 [+0.012, +0.090]``."""
    bounds = found["interval"]
    return f"{found['value']:+.3f}" + (
        "" if bounds is None else f" [{bounds[0]:+.3f}, {bounds[1]:+.3f}]"
    )


def _score(scored: Mapping[str, Any]) -> str:
    bounds = scored["interval"]
    return f"{scored['value']:.3f}" + (
        "" if bounds is None else f" [{bounds[0]:.3f}, {bounds[1]:.3f}]"
    )


def _name(arm: str) -> str:
    return arm.replace("_", "-")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _sentence(
    about: str, text: str, figures: Mapping[str, Any], *, domain: str | None = None
) -> Sentence:
    return {
        "about": about,
        "text": f"{text}.",
        "domain": domain,
        "value": figures.get("value"),
        "interval": figures.get("interval"),
    }
