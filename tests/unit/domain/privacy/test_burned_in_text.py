"""Text on pictures, found by RapidOCR where the extra 'privacy' is installed."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from transferlab.domain.privacy.burned_in_text import count_characters, masked


@pytest.fixture(scope="module", autouse=True)
def reader():
    pytest.importorskip("rapidocr", reason="the extra 'privacy' is not installed")
    pytest.importorskip("onnxruntime", reason="the extra 'privacy' is not installed")


def radiograph(text="", *, side=256, size=14):
    soft = np.random.default_rng(0).integers(40, 160, (8, 8), np.uint8)
    picture = Image.fromarray(soft).resize((side, side), Image.Resampling.BICUBIC).convert("RGB")
    font = ImageFont.load_default(size=size)
    ImageDraw.Draw(picture).text((6, side // 12), text, fill=(255, 255, 255), font=font)
    return np.asarray(picture)


def test_a_patients_line_is_seen_and_side_markers_are_not():
    assert count_characters(radiograph("DOE^JANE 1961-03-04")) >= 12
    assert count_characters(radiograph("R", size=24)) == 0
    assert count_characters(radiograph()) == 0


def test_what_is_masked_cannot_be_read_any_more_and_the_rest_stays():
    # Larger than what the reader looks at, so that boxes are scaled back.
    frame = radiograph("DOE^JANE 1961-03-04", side=1400, size=60)
    (clean,), places = masked([frame])
    assert places >= 1
    assert count_characters(clean) == 0
    assert (clean[400:] == frame[400:]).all()
