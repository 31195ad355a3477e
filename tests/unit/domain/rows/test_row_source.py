"""Rows of every source are read one by one, as often as they are wanted."""

import csv
import json
import tracemalloc

import numpy as np
import pytest
from domain_cases import write_dicom, write_settings

from transferlab.domain.handle import open_domain
from transferlab.domain.rows.code_trust import trust
from transferlab.domain.rows.row_source import RowSource

ROWS, FILLER = 600, "words " * 1000
IMAGE = {"image": {"kind": "image", "path": "{file}"}}
CODE = "def rows(rows, root):\n    for row in rows:\n        yield row | {'more': row['text']}\n"


def exchange(number):
    turns = [{"from": "human", "value": FILLER}, {"from": "gpt", "value": f"answer {number}"}]
    return {"id": f"c{number}", "conversations": turns}


def row(number):
    return {"file": f"{number}.png", "text": FILLER, "number": str(number)}


def write_json(folder, content):
    (folder / "rows.json").write_text(json.dumps(content))
    return {"kind": "table", "path": "rows.json", "media": IMAGE}


def write_chat(folder, text):
    (folder / "rows.jsonl").write_text(text)
    return {"kind": "chat", "path": "rows.jsonl", "media": IMAGE}


def write_reports(folder):
    for number in range(3):
        pixels = np.zeros((2, 2), np.uint8)
        write_dicom(folder / f"{number}.dcm", pixels, AccessionNumber=f"A{number}")
    with (folder / "reports.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["acc", "text"])
        writer.writerows([f"A{number}", FILLER] for number in range(ROWS))
    reports = {"path": "reports.csv", "column": "acc", "tag": "AccessionNumber"}
    media = {"xray": {"kind": "dicom", "path": "{file}"}}
    return {"kind": "dicom", "path": ".", "reports": reports, "media": media}


SOURCES = {
    "list": lambda to: write_json(to, [row(n) for n in range(ROWS)]),
    "object": lambda to: write_json(to, {str(n): row(n) for n in range(ROWS)}),
    "code": lambda to: write_json(to, [row(n) for n in range(ROWS)]),
    "chat": lambda to: write_chat(to, "".join(json.dumps(exchange(n)) + "\n" for n in range(ROWS))),
    "reports": write_reports,
}


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_in_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch, name):
    monkeypatch.setenv("TRANSFERLAB_HOME", str(tmp_path / "home"))
    media = "xray" if name == "reports" else "image"
    task = {"kind": "describe", "prompt": f"<{media}>", "answer": "{text}", "metrics": ["token_f1"]}
    if name == "chat":
        task |= {"prompt": "{prompt}", "answer": "{answer}"}
    source = SOURCES[name](tmp_path)
    entry = write_settings(
        tmp_path, source=source, tasks={"talk": task}, attributes=[], group="about"
    )
    if name == "code":
        (tmp_path / "domain.py").write_text(CODE)
        entry = write_settings(
            tmp_path, source=source, tasks={"talk": task}, attributes=[], group="about"
        )
        trust(entry)
    list(RowSource(open_domain(entry).source))  # imports are not part of it
    tracemalloc.start()
    rows = RowSource(open_domain(entry).source)
    columns = rows.columns()
    seen = {column for one in rows if isinstance(one, dict) for column in one}
    count = sum(1 for _ in rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen == columns
    assert count == ROWS
    assert peak < 0.8 * ROWS * len(FILLER)  # of which 2 MB are two chunks of the file
