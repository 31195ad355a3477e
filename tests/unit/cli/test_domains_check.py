"""``transferlab domains check``: the report, its JSON, and the exit code."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from transferlab.config.pipeline import BackboneSection
from transferlab.pipeline import sample_validation


@pytest.fixture
def shapes(tmp_path):
    """A sound domain of thirty small pictures, as a user would write it."""
    folder = tmp_path / "shapes"
    (folder / "images").mkdir(parents=True)
    lines = ["file,owner,shape"]
    for number in range(30):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        lines.append(f"images/{number}.png,o{number},{['round', 'square'][number % 2]}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    (folder / "domain.yaml").write_text(
        "name: shapes\nversion: 1\ntitle: Shapes\nfield: testing\nlicence: CC0-1.0\n"
        "source: {kind: table, media: {image: {kind: image, path: '{file}'}}}\n"
        "group: owner\nsplits: {train: 0.4, validation: 0.1, test: 0.5}\n"
        "tasks:\n  shape:\n    kind: classify\n"
        "    prompt: \"<image>\\nWhich shape?\"\n    answer: '{shape}'\n    metrics: [accuracy]\n"
    )
    return folder


def test_a_sound_domain_is_said_to_be_so(command, shapes):
    done = command("domains", "check", shapes)
    assert (done.code, done.err) == (0, "")
    assert "domain shapes: 30 rows, 30 files of media" in done.out
    assert done.out.splitlines()[-1] == "sound: nothing keeps it from being trained on"


def test_the_file_and_the_name_mean_the_same(command, shapes):
    by_file = command("domains", "check", shapes / "domain.yaml", "--json")
    by_name = command("domains", "check", "shapes", "--domains", shapes, "--json")
    assert by_file.code == by_name.code == 0
    assert json.loads(by_file.out) == json.loads(by_name.out)
    assert json.loads(by_file.out)["sound"] is True


def test_an_error_is_listed_and_ends_with_the_code_of_data(command, shapes):
    for number in range(12):
        (shapes / "images" / f"{number}.png").unlink()
    done = command("domains", "check", shapes)
    assert done.code == 3
    assert done.err == "transferlab: domain 'shapes' is not fit to be trained on: 12 problem(s)\n"
    assert "error: medium (12)" in done.out
    assert "  metadata.csv row 2: medium 'image': the file is missing" in done.out
    assert "  and 2 more; --json lists all" in done.out
    assert "sound" not in done.out
    as_json = command("domains", "check", shapes, "--json")
    assert as_json.code == 3
    assert json.loads(as_json.out)["counts"]["medium"] == 12


def test_strict_counts_warnings(command, shapes):
    table = shapes / "metadata.csv"
    table.write_text(table.read_text() + table.read_text().splitlines()[1] + "\n")
    assert command("domains", "check", shapes).code == 0
    assert command("domains", "check", shapes, "--strict").code == 3


def test_a_path_without_a_domain_and_an_unknown_name(command, tmp_path):
    no_path = command("domains", "check", tmp_path / "nothing")
    assert no_path.code == 2
    assert "`domains register` writes one" in no_path.err
    no_name = command("domains", "check", "lecture")
    assert no_name.code == 2
    assert "Did you mean 'lectures'?" in no_name.err


def test_domains_of_one_stream_are_checked_together(command, shapes, tmp_path):
    other = tmp_path / "forms"
    shutil.copytree(shapes, other)
    settings = (other / "domain.yaml").read_text()
    (other / "domain.yaml").write_text(settings.replace("name: shapes", "name: forms"))
    done = command("domains", "check", shapes, other)
    assert done.code == 3
    assert "across 2 domains\nerror: identical medium (" in done.out
    assert "shapes: metadata.csv row " in done.out
    assert done.err.startswith("transferlab: shapes, forms are not fit to be trained on: ")
    record = json.loads(command("domains", "check", shapes, other, "--json").out)
    assert [one["domain"] for one in record["domains"]] == ["shapes", "forms"]
    assert record["across"]
    twice = command("domains", "check", shapes, shapes)
    assert twice.code == 2
    assert "named twice" in twice.err


def test_validate_looks_at_the_data_where_it_is_asked_to(command, shapes, tmp_path, monkeypatch):
    tiny = sample_validation.ruler_of(
        BackboneSection()
    )  # read once: it takes longer than all the rest
    monkeypatch.setattr(
        sample_validation, "ruler_of", lambda one: replace(tiny, limit_tokens=one.max_length_tokens)
    )
    (tmp_path / "p.yaml").write_text("name: p\nstream: [shapes]\narms: []\n")
    given = ("validate", tmp_path / "p.yaml", "--domains", shapes)
    done = command(*given, "--data")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == f"{tmp_path / 'p.yaml'}: sound (1 domain(s): shapes)"
    short = command(*given, "--data", "--set", "backbone.max_length_tokens=8")
    assert short.code == 3
    assert "error: length (30)" in short.out
    assert "metadata.csv row 2: task 'shape': " in short.out
    (shapes / "images" / "0.png").unlink()
    assert command(*given).code == 0
    assert command(*given, "--data").code == 3
    assert command(*given, "--data", "--set", "data.on_bad_sample=quarantine").code == 0
    alone = command("domains", "check", shapes, "--max-length-tokens", "8")
    assert alone.code == 2
    assert "needs --backbone" in alone.err
