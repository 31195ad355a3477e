"""The files of generated scenes, and the domain that reads them."""

import csv
import json
from pathlib import Path

import numpy as np

from transferlab.config.domain import DomainConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.core.records import MediaRef
from transferlab.domain.media.video import decode_video
from transferlab.worlds import GENERATORS
from transferlab.worlds.scenes.clips import CLIP_FRAMES, clip
from transferlab.worlds.scenes.files import write_film
from transferlab.worlds.scenes.world import COLUMNS, write

SCENES = Path(__file__).parents[3] / "domains" / "scenes" / "domain.yaml"


def test_write_is_deterministic_and_complete(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write(tmp_path / name, seed=seed, samples=40)
    tables = {n: (tmp_path / n / "metadata.csv").read_text("utf-8") for n in "abc"}
    assert tables["a"] == tables["b"] != tables["c"]
    rows = list(csv.DictReader(tables["a"].splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 40
    for row in rows:
        path = tmp_path / "a" / row["file"]
        assert path.read_bytes() == (tmp_path / "b" / row["file"]).read_bytes()
        if row["task"] != "describe":
            assert row["answer"] in json.loads(row["choices"])


def test_a_clip_survives_its_film(tmp_path):
    """The frames that a reader takes are the pictures that were drawn, in their order."""
    drawn = clip(np.random.default_rng(1))
    write_film(tmp_path / "clip.mp4", drawn.images)
    read = decode_video(MediaRef(kind="video", path=tmp_path / "clip.mp4", frames=CLIP_FRAMES))
    for image, frame in zip(drawn.images, read, strict=True):
        assert np.abs(image.astype(int) - frame).mean() < 4
    assert np.abs(drawn.images[0].astype(int) - read[1]).mean() > 4


def test_the_domain_asks_every_task_that_is_written(tmp_path):
    config = load_yaml(SCENES, DomainConfig)
    assert GENERATORS.get(config.source.generator) is write
    write(tmp_path / "scenes", seed=0, samples=800)
    with (tmp_path / "scenes" / "metadata.csv").open(encoding="utf-8") as file:
        written = {row["task"] for row in csv.DictReader(file)}
    asked = [task for section in config.tasks.values() for task in section.where["task"]]
    assert written == set(asked)
    assert len(asked) == len(set(asked))
