"""What is wrong with a newcomer's data, as `transferlab run` says it: one sentence, exit code 3."""

import numpy as np
import pytest
from domain_cases import (
    toy_rows,
    write_dicom,
    write_domain,
    write_film,
    write_settings,
    write_table,
)

from transferlab.cli import main

RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8)
WORDS = "WEBVTT\n\n{}\nfirst words\n\n{}\nsecond words\n"
EARLY, LATE = "00:00.000 --> 00:01.000", "00:01.000 --> 00:02.000"


def media(kind: str, **changes: object) -> dict[str, object]:
    picture = {"kind": kind, "path": "{file}"}
    return {"kind": "table", "path": "metadata.csv", "media": {"image": picture}} | changes


def empty_domain(folder) -> str:
    write_domain(folder)
    header = (folder / "metadata.csv").read_text("utf-8").splitlines()[0]
    (folder / "metadata.csv").write_text(header + "\n", "utf-8")
    return "holds no rows"


def truncated_dicom(folder) -> str:
    _dicoms(folder)
    broken = folder / "3.dcm"
    broken.write_bytes(broken.read_bytes()[:-30])
    return "truncated"


def dicom_without_pixels(folder) -> str:
    _dicoms(folder)
    whole = (folder / "3.dcm").read_bytes()
    (folder / "3.dcm").write_bytes(whole[: whole.index(b"\xe0\x7f\x10\x00")])
    return "has no pixels"


def video_without_frames(folder) -> str:
    _films(folder, frames=0)
    return "has no frames"


def cues_out_of_order(folder) -> str:
    _films(folder, frames=20, words=WORDS.format(LATE, EARLY))
    return "cue 2"


def _dicoms(folder) -> None:
    rows = [{**row, "file": f"{n}.dcm"} for n, row in enumerate(toy_rows())]
    folder.mkdir()
    for row in rows:
        write_dicom(folder / row["file"], RAMP)
    write_table(folder / "metadata.csv", rows)
    write_settings(folder, source=media("dicom"))


def _films(folder, *, frames: int, words: str = "") -> None:
    rows = [{**row, "file": "film.mkv", "vtt": "film.vtt"} for row in toy_rows()]
    folder.mkdir()
    write_film(folder / "film.mkv", frames=frames, rate=10)
    write_table(folder / "metadata.csv", rows)
    source = media("video")
    if words:
        (folder / "film.vtt").write_text(words, "utf-8")
        source["transcript"] = {"path": "{vtt}"}
    write_settings(folder, source=source)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a pipeline over the domain in ``tmp_path / "toy"``: the exit code, and what was said."""

    def call(settings: str = "") -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        pipeline = tmp_path / "p.yaml"
        pipeline.write_text(f"name: p\nstream: [toy]\n{settings}", "utf-8")
        code = main(["run", str(pipeline), "--domains", str(tmp_path / "toy"), "--out", "out"])
        return code, capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    "make",
    [empty_domain, truncated_dicom, dicom_without_pixels, video_without_frames, cues_out_of_order],
)
def test_it_is_one_sentence_before_anything_is_trained(make, tmp_path, run):
    expected = make(tmp_path / "toy")
    code, said = run()
    assert code == 3, said
    assert expected in said
    assert "toy" in said
    assert said.count("\n") == 1
    assert "Secret" not in said


def test_a_tracking_server_that_does_not_answer(tmp_path, run):
    write_domain(tmp_path / "toy")
    code, said = run("tracking: {uri: 'http://127.0.0.1:9'}\n")
    assert code == 5, said
    assert "127.0.0.1:9" in said
    assert said.count("\n") == 1
