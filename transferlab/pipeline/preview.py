"""One page that shows a domain as the backbone will see it."""

from __future__ import annotations

import base64
import io
import wave
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import BackboneSection
from transferlab.core.protocols import Backbone
from transferlab.core.records import SPLITS, DomainData, Sample, SplitName
from transferlab.core.text.html_pages import content_policy, sanitize_value
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.loader import load_domain
from transferlab.domain.media.audio import RATE, decode_audio
from transferlab.domain.media.decoder import decode
from transferlab.errors import EnvironmentProblem
from transferlab.pipeline.sampling import capped

MEASURED_SAMPLES = 200
"""Token lengths are taken of so many: each costs decoding its media."""
TILES = 6
_BINS = 12


def write_preview(
    entry: DomainEntry,
    out: Path,
    *,
    model: str,
    samples: int,
    data_root: Path | None = None,
    cache_root: Path | None = None,
) -> Path:
    """Write the page; rows that cannot be used are left out of it, and listed on it.

    The page holds pictures and texts of the data as they are: it is for the eyes of those who may
    see the data, and is written nowhere else.

    Args:
        entry: the domain.
        out: the HTML file.
        model: the backbone whose preprocessing is shown; its weights are not used.
        samples: how many are shown.
        data_root: as for ``load_domain``.
        cache_root: as for ``load_domain``.

    Raises:
        DataError: the domain cannot be loaded.
        ModelError: there is no such backbone.
        EnvironmentProblem: the page cannot be written.
    """
    data = load_domain(
        entry, data_root=data_root, cache_root=cache_root, on_bad_sample="quarantine"
    )
    backbone = load_backbone(
        BackboneSection(model=model, adapter=None), decode=decode, decode_audio=decode_audio, seed=0
    )
    source = (resources.files("transferlab.pipeline") / "preview.jinja").read_text("utf-8")
    # Whatever is put into the page goes through one function.
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, finalize=sanitize_value
    )
    text = environment.from_string(source).render(
        policy=content_policy(source),
        config=entry.config,
        data=data,
        model=model,
        splits=SPLITS,
        limit=backbone.max_length_tokens,
        labels=_labels(data),
        **_preview_samples(data, backbone, samples=samples),
    )
    _write(out, text)
    return out


def _write(out: Path, text: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, "utf-8")
    except OSError as error:
        raise EnvironmentProblem(
            f"{out}: cannot be written ({error.strerror}); choose another --out"
        ) from None


def _preview_samples(data: DomainData, backbone: Backbone, *, samples: int) -> dict[str, Any]:
    """Cards of some samples, and the sizes of groups and texts."""
    split_of = {one.id: split for split in SPLITS for one in data.splits[split]}
    everything = [one for split in SPLITS for one in data.splits[split]]
    shown = capped(everything, samples, per_task=False)
    measured = capped(everything, MEASURED_SAMPLES, per_task=False)
    return {
        "cards": [_card(backbone, one, split_of[one.id]) for one in shown],
        "groups": _bars(_group_sizes(everything)),
        "lengths": _bars([backbone.length_tokens(_read_by(backbone, one)) for one in measured]),
        "measured": len(measured),
    }


def _read_by(backbone: Backbone, sample: Sample) -> Sample:
    """The sample as the backbone reads it: without sound where it does not listen."""
    if backbone.takes_audio:
        return sample
    return replace(sample, media=tuple(replace(ref, sound=False) for ref in sample.media))


def _card(backbone: Backbone, sample: Sample, split: SplitName) -> dict[str, Any]:
    tiles = []
    for ref in sample.media:
        # A backbone of flat patches shows nothing: then what was decoded is shown, and said to be.
        tiles += backbone.preview_images(ref) or decode(ref)
    return {
        "sample": sample,
        "side": split,
        "sounds": [_as_sound(decode_audio(ref)) for ref in sample.media if ref.sound],
        "tiles": [_as_data(tile) for tile in tiles[:TILES]],
        "more": max(0, len(tiles) - TILES),
    }


def _as_data(tile: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _as_sound(samples: np.ndarray) -> str:
    """``samples``: as ``decode_audio`` gives them."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, RATE, len(samples), "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode()


def _labels(data: DomainData) -> dict[str, dict[str, dict[str, int]]]:
    """Samples by task, label and split, of the tasks with one label set."""
    counts: Counter[tuple[str, str, str]] = Counter()
    sets: dict[str, set[tuple[str, ...]]] = {}
    for split in SPLITS:
        for one in data.splits[split]:
            if one.kind == "classify":
                counts[one.task, one.answer, split] += 1
                sets.setdefault(one.task, set()).add(one.choices)
    return {
        task: {
            label: {split: counts[task, label, split] for split in SPLITS}
            for label in next(iter(found))
        }
        for task, found in sets.items()
        if len(found) == 1
    }


def _group_sizes(samples: Sequence[Sample]) -> list[int]:
    return list(Counter(one.group for one in samples).values())


def _bars(values: Sequence[int]) -> list[dict[str, Any]]:
    """A histogram of whole numbers: range, count, and share of the highest bar in percent."""
    edges = np.unique(np.linspace(min(values), max(values) + 1, _BINS + 1).astype(int))
    counts, _ = np.histogram(values, bins=edges)
    pairs = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return [
        {
            "range": str(low) if high - low == 1 else f"{low} to {high - 1}",
            "count": count,
            "percent": 100 * count / max(1, int(counts.max())),
        }
        for (low, high), count in zip(pairs, counts.tolist(), strict=True)
    ]
