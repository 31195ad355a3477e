"""Text that is burned into pictures: found by OCR, painted over. The only module with RapidOCR.

The models are inside RapidOCR's package; nothing is downloaded, and what a text says is told to
nobody.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from transferlab.core.lazy import require
from transferlab.core.records import Frames

PURPOSE = "finding text in pictures"
LONGEST_SIDE = 1024
"""Larger pictures are made smaller first: letters that a reader is meant to see stay legible."""
MIN_CONFIDENCE = 0.6
MIN_CHARACTERS = 4
"""Letters and digits of one line: side markers (R, L, AP) are no identifiers."""
_MARGIN = 0.3
"""Of a line's height, painted over around it."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels; right and bottom are outside."""


def require_reader() -> None:
    """Find out that text can be looked for.

    Raises:
        MissingExtra: RapidOCR or ONNX Runtime is not installed.
    """
    require("onnxruntime", extra="privacy", purpose=PURPOSE)
    require("rapidocr", extra="privacy", purpose=PURPOSE)


def count_characters(frame: np.ndarray) -> int:
    """How many letters and digits seem to stand in a picture, side markers left out.

    Args:
        frame: (H, W, 3) uint8.
    """
    smaller, _ = _fitted(frame)
    found = _reader()(smaller, use_det=True, use_cls=False, use_rec=True)
    lines = zip(found.txts or (), found.scores or (), strict=True)
    sizes = [sum(map(str.isalnum, text)) for text, score in lines if score >= MIN_CONFIDENCE]
    return sum(size for size in sizes if size >= MIN_CHARACTERS)


def masked(frames: Frames) -> tuple[Frames, int]:
    """The frames with every place that looks like text painted black, and how many places."""
    clean, count = [], 0
    for frame in frames:
        boxes = text_boxes(frame)
        painted = frame.copy()
        for left, top, right, bottom in boxes:
            painted[top:bottom, left:right] = 0
        clean.append(painted)
        count += len(boxes)
    return clean, count


def text_boxes(frame: np.ndarray) -> list[Box]:
    """Where text seems to stand, side markers too: a detector does not read."""
    smaller, scale = _fitted(frame)
    found = _reader()(smaller, use_det=True, use_cls=False, use_rec=False)
    boxes = []
    for corners in found.boxes if found.boxes is not None else ():
        low, high = corners.min(axis=0) / scale, corners.max(axis=0) / scale
        margin = _MARGIN * (high[1] - low[1])
        left, top = np.floor(np.maximum(low - margin, 0)).astype(int).tolist()
        right, bottom = np.ceil(high + margin).astype(int).tolist()
        boxes.append((left, top, right, bottom))
    return boxes


def _fitted(frame: np.ndarray) -> tuple[np.ndarray, float]:
    """The picture at most ``LONGEST_SIDE`` long, and its scale."""
    from PIL import Image

    scale = min(1.0, LONGEST_SIDE / max(frame.shape[:2]))
    if scale == 1.0:
        return frame, scale
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)), scale


@cache
def _reader() -> Any:
    require_reader()
    rapidocr = require("rapidocr", extra="privacy", purpose=PURPOSE)
    return rapidocr.RapidOCR(params={"Global.log_level": "error", "Global.use_cls": False})
