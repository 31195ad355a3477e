"""Segments of the education pack's videos, with what they are, teach and show."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

SEGMENTS = 4
SEGMENT_SECONDS = 2.0
"""A film is cut into as many equal segments as last this long, at most SEGMENTS."""
TEXT_CHARACTERS = 160
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\d(-])")

KINDS = {
    "teaching animation": "animation",
    "article animation": "animation",
    "screencast": "screencast",
    "recorded lecture (slides + voice)": "slides",
    "slide show": "slides",
    "explainer (film + voice)": "film",
    "cartoon (5.1 sound)": "film",
    "nature clip": "film",
    "documentary clip": "film",
    "decoder check": "test picture",
}
SUBJECTS = {
    "mechanics": "physics",
    "thermodynamics": "physics",
    "electromagnetism": "physics",
    "waves and optics": "physics",
    "mathematics": "mathematics",
    "machine learning": "machine learning",
    "scientific software": "scientific software",
}
# Files that show one film, lecture or scene: they must not fall on two sides of a split.
RECORDINGS = {
    "opencast_xquery": "ETH Zurich lecture on XQuery",
    "w3c_rabbit": "Big Buck Bunny",
    "napari_dask": "napari and Dask",
    "napari_tracks_": "napari tracks",
    "napari_delete_label": "napari connected components",
    "napari_draw_component": "napari connected components",
    "napari_merge_labels": "napari connected components",
    "napari_split_label": "napari connected components",
    "distill-growing-ca_regen": "regeneration of a cellular automaton",
    "physics-education-anim_Brownian_Motion": "Brownian motion",
    "torchcodec_h264_10bits": "torchcodec test card",
    "torchcodec_h265": "torchcodec test card",
    "ricecooker_": "ricecooker test card",
}
# Descriptions that say what a file is for, not what it shows.
GENERIC = ("Animation ", "Generated test", "Test asset")


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    """Every segment; a file with sound only stays as one row about which nothing is asked."""
    for row in rows:
        has_picture = bool(row["video_codec"])
        kind = KINDS.get(row["kind"], "") if has_picture else ""
        subject = SUBJECTS.get(row["subject"], "") if has_picture else ""
        about = {
            "recording": _recording(row["file"]),
            "kind_asked": kind,
            "subject_asked": subject,
            "shown": _shown(row) if has_picture else "",
            "stratum": f"{kind}, {subject}",
            "vtt_file": "",
        }
        if row["transcript_file"].endswith(".vtt"):
            yield row | about | {"vtt_file": row["transcript_file"]}
            continue
        for start, end in _segments(row, has_picture=has_picture):
            cue = {"cue_start": f"{start:.3f}", "cue_end": f"{end:.3f}"}
            yield row | about | cue | {"cue_text": row["transcript"] if has_picture else ""}


def _segments(row: dict[str, str], *, has_picture: bool) -> list[tuple[float, float]]:
    # Sound may last longer than the picture, so the last frame tells where a film ends.
    length = float(row["last_frame_s"]) if has_picture else float(row["duration_s"])
    # Words without times belong to the whole film.
    count = 1 if row["transcript"] else max(1, min(SEGMENTS, int(length / SEGMENT_SECONDS)))
    return [(length * i / count, length * (i + 1) / count) for i in range(count)]


def _recording(file: str) -> str:
    name = file.removeprefix("videos/")
    found = [recording for prefix, recording in RECORDINGS.items() if name.startswith(prefix)]
    return found[0] if found else name


def _shown(row: dict[str, str]) -> str:
    """The first sentence of the description, cut to whole words; empty where it is generic."""
    if row["description"].startswith(GENERIC):
        return ""
    sentence = SENTENCE_END.split(row["description"].strip())[0]
    if len(sentence) <= TEXT_CHARACTERS:
        return sentence
    return sentence[:TEXT_CHARACTERS].rpartition(" ")[0]
