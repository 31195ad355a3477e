"""The page docs/strategies.md, made from the registry of strategies."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from transferlab.config.schema import key_table, one_line
from transferlab.continual.options.base import Needs
from transferlab.continual.options.registry import OPTIONS
from transferlab.continual.options.unsupported import EXCLUDED

_HEADER = """# Strategies

What can stand under `strategy:` in a pipeline. This page is made from the registry
(`python -m transferlab.continual.options.reference_page > docs/strategies.md`); a test compares
the two.
`transferlab strategies list` and `transferlab strategies show NAME` say the same.

Several strategies work together, in the order in which they are listed; a combination that cannot
work is refused, with the reason, before anything is loaded.

```yaml
strategy:
  - ewc: {strength: auto}
  - replay: {memory_samples: 200}
```

Remembered samples are remembered by their ids: no strategy writes pixels or texts of a domain into
a checkpoint unless its text below says so. Every strategy's state is in the checkpoint of a
finished step of the stream, and what it changes within a domain is in the file that is written
every `train.checkpoint_steps` optimizer steps, so that a stopped run goes on with the same numbers.

What a strategy adds to a step (its penalty, the loss of what it replays, the cosine between the
gradients of past and new samples) is in MLflow beside the task loss, as `train/<name>_...`; what it
keeps in bytes and the seconds in its hooks are in the run's `cost/...`. How far a domain's gradient
points against that of each earlier one, what a step gained and what it cost those before it are in
`interference/...`, `change/...` and `result.json`'s `steps`.

Where the process that trains is one of several of a `torch.distributed` group, each takes its share
of every step's new samples and the gradients are summed; every strategy then ends where it would
with one process. Passes of a strategy's own (a Fisher, remembered samples apart from the batch) are
done by every process. The command line starts no group: this is for whoever calls the engine.

## What a unit of strength is

The number that makes a penalty useful differs by orders of magnitude between ways to measure
importance, batch sizes, adapter ranks and lengths of answers, so a strength cannot be copied from
one experiment to the next. With `strength: auto` it counts in units: after each domain, its
importances I are scaled so that

    sum I over what moves * r^2 = KL(p(theta) || p(theta + r u))   in nats per answer token

where u holds the signs of the gradient of the loss on that domain (at most 64 samples, labels drawn
from the model itself) and r is the learning rate: where Adam's first step would go. So one unit of
penalty costs as much as the past domain's answers diverge along such a step, and stands beside a
task loss that is in nats per token too. Two passes over the samples measure it.

Why not the trace of the Fisher information, which says what a displacement of random signs costs?
Because training moves parameters together. With the embedded backbone (LoRA of rank 16 and token
embeddings, the source protected, then 16 steps on real X-rays) the trace foretold the divergence of
random signs within 30 %, and that of the training's own displacement 200 times too low; a penalty
in its units did nothing. The step's unit is about 1000 times larger (800 to 1300 over seeds and
lengths of the step). At the end of those 16 steps:

| `ewc` | divergence on the source, nats per token | loss on the X-rays, nats per token |
|---|---|---|
| none | 0.154 | 1.653 |
| 1 unit | 0.125 | 1.653 |
| 10 units | 0.051 | 1.669 |
| 100 units | 0.015 | 2.027 |

The calibration fixes the scale only. How importance is spread over parameters remains the
strategy's, and training over many steps goes further than one: `units: 10` is worth a try.

## Why EWC's Fisher is diagonal

`python benchmarks/kfac.py`: the embedded backbone with LoRA of rank 16 learns 48 chest X-rays, then
takes 2 or 12 unprotected steps on another domain, by which its answers on the first diverge by 1.3
to 2.9 nats per token. Kronecker factors per matrix (KFAC) foresee 1 to 5 % of that, the diagonal
less than 1 %, and the whole Fisher 87 to 178 %: what is missing lies between layers, where neither
looks. For that the factors keep 21 numbers per trainable parameter where the diagonal keeps 2,
their penalty takes 7.0 ms of a step instead of 0.6, and those of several domains do not add up to
factors again, so each domain's would have to be kept. It does not pay; there is no `fisher: kfac`.

## What they cost

`OMP_NUM_THREADS=1 python benchmarks/strategy_cost.py` on a CPU core: the embedded backbone, LoRA of
rank 16 on all linear layers, batches of 16, medians of 15 rounds side by side in one process. A
plain step took about 360 ms of processor time. In the last column the token embeddings are trained
too.

| what | promised | measured | with embeddings |
|---|---|---|---|
| `ewc`: its penalty's share of a step | at most 3 % | 0.3 % | 0.4 % |
| `ewc` over Avalanche's own EWC, added to a step | at most 0.20 | 0.17 | 0.20 |
| exact Fisher over a forward and backward of the same samples | at most 2.5 | 1.13 | 1.13 |
| `si`: its share of a step | at most 10 % | 0.6 % | 0.8 % |
| `rwalk`, `mas`, `l2`, `ema`: their shares | | 0.8, 0.3, 0.3, 0.1 % | 1.1, 0.4, 0.4, 0.1 % |
| numbers kept per trainable parameter, `ewc` after 1, 2, 3 domains | at most 2 | 2, 2, 2 | same |
| those of `si`, `mas` / `rwalk` / `l2`, `lwf` after each | | 2 / 4 / 1 | same |

No number is kept for a frozen parameter. How many samples go through the model per step does not
grow with the number of past domains, save for `gem`, whose paper says so; a test counts them for
every strategy. `OMP_NUM_THREADS=1 python benchmarks/strategy_growth.py` measures a step's processor
time in the second and the fifth domain, medians of 8 steps, on one block per stage of the embedded
backbone, batches of 4. `l2` and `si`, which do the same in every step, differ by 3 %, `naive` by
15 %: smaller differences say nothing.

| strategy | after 1 domain (ms) | after 4 (ms) | ratio |
|---|---|---|---|
| `agem` | 34 | 38 | 1.10 |
| `cumulative` | 17 | 17 | 0.99 |
| `der` | 39 | 36 | 0.91 |
| `ema` | 17 | 17 | 1.02 |
| `er_ace` | 36 | 38 | 1.05 |
| `ewc` | 19 | 17 | 0.91 |
| `feature_distillation` | 27 | 27 | 1.02 |
| `from_scratch` | 18 | 18 | 1.02 |
| `gdumb` | 19 | 18 | 0.96 |
| `gem` | 35 | 88 | 2.50 |
| `gss` | 26 | 25 | 0.99 |
| `interpolate` | 18 | 19 | 1.03 |
| `l2` | 18 | 19 | 1.03 |
| `lwf` | 27 | 29 | 1.08 |
| `mas` | 19 | 19 | 0.97 |
| `merge` | 19 | 21 | 1.08 |
| `mir` | 66 | 74 | 1.11 |
| `moe_lora` | 20 | 21 | 1.01 |
| `naive` | 20 | 17 | 0.85 |
| `o_lora` | 19 | 19 | 1.02 |
| `osf` | 35 | 34 | 0.98 |
| `per_domain` | 16 | 17 | 1.05 |
| `plugin` | 19 | 19 | 0.97 |
| `pseudo_replay` | 32 | 33 | 1.02 |
| `replay` | 24 | 24 | 0.97 |
| `rwalk` | 18 | 17 | 0.93 |
| `self_distillation` | 31 | 36 | 1.14 |
| `si` | 18 | 18 | 1.03 |

## How well they do

`python benchmarks/strategies_study.py pipelines/study-strategies.yaml --out runs/study` makes
[strategies-study.md](strategies-study.md): the embedded backbone learned scenes and is taken
through real chest X-rays, radiographs in DICOM, textbook figures and lectures. The whole catalogue
at one seed on 24 samples per task, then eight, tuned alike, at three seeds on 48, and these in
reversed order; about two and a quarter hours on two cores, resumable.

![Forgetting against cost](strategies-study.png)

What it shows:

- **Where one file per domain may be kept, `per_domain` does best**: ACC 0.593, `joint` 0.549,
  `naive` 0.369; in reversed order 0.574, 0.567 and 0.398. Nothing is forgotten, and it is hardly
  slower than `naive`. It stands and falls with its router: with a distance that ignores how
  features vary together, three quarters of the questions about lectures went astray and its ACC
  was 0.522. (Seen on these test splits; on the validation splits it was 0.454 and is 0.492.)
- **With one adapter, rehearsal does best**: `replay` 0.514 and `mir`, at twice the time, 0.509;
  they lose 0.17 of the source. `ewc` + `replay` loses 0.07 of it and has 0.469: 0.100 above
  `naive` [0.029, 0.164].
- **A penalty alone is no more than half an answer here.** `ewc` and `rwalk` keep the source (0.20
  and 0.09 more of it than `naive`) and are not above `naive` in ACC by an interval above zero.
  Forward, lectures come last and reach 0.24 and 0.35, below their majority class (0.45); in
  reversed order lectures are learned well (`ewc` 0.59) and the X-rays that follow undo them. An
  adapter has few parameters and every domain uses all of them, so what protects one stands in the
  way of the next. More units shift the balance and do not lift it: at 24 samples `ewc` loses 0.22,
  0.21 and 0.01 of the source with 0.1, 1 and 10 units, and its ACC is 0.44, 0.48 and 0.43.
- `o_lora` and `osf` give each domain a few ranks or directions of its own and cannot train the
  embeddings of tokens: little is forgotten and lectures are hardly learned (0.13 and 0.10, `naive`
  0.56; here and below at 24 samples, one seed).
- `moe_lora` forgets nearly as much as `naive` and loses most of the source (-0.68): its experts
  are shared, and nothing holds its gates. `ema` follows the weights it averages, and forgets
  nearly as much too.
- `merge` and `interpolate` leave the source alone and take back what was learned last: lectures
  0.08 and 0.33.
- `pseudo_replay` rehearses answers to general questions about the new domain's pictures, which are
  not what the past domains ask: ACC 0.354, as `naive`.
- `agem`, `lwf`, `feature_distillation` and `self_distillation` are 0.03 to 0.04 above `naive`
  there; one seed does not tell that from none.
"""


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


def strategies_page() -> str:
    """Markdown: the whole catalogue, and what is not in it."""
    rows = ["| name | what | needs |", "|---|---|---|"]
    for name in OPTIONS:
        needs = "; ".join(needs_in_words(OPTIONS[name].needs)) or "nothing"
        rows.append(f"| [`{name}`](#{name}) | {summary_of(name)} | {needs} |")
    parts = [
        _HEADER,
        "## All of them\n",
        "\n".join(rows) + "\n",
        *(_entry(name) for name in OPTIONS),
    ]
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
    print(strategies_page(), end="")
