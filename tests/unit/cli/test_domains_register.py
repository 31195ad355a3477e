"""``transferlab domains register``: folders as strangers bring them, and what is proposed."""

import csv
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "domain"))
from domain_cases import picture, write_dicom, write_film, write_picture

SRT = "1\n00:00:00,000 --> 00:00:01,000\nHello {n}\n\n2\n00:00:01,000 --> 00:00:02,000\nBye {n}\n"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Where this test's domains are registered."""
    monkeypatch.setenv("TRANSFERLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "domains"


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def pictures(folder, count=60):
    """Names without folder and ending, patients, a label with gaps, notes, and much besides."""
    rows = []
    for number in range(count):
        write_picture(folder / "scans" / f"s{number:03}.png", number)
        rows.append(
            {
                "scan": f"s{number:03}",
                "PatientNumber": f"P{number // 2}",
                "sex": "FM"[number // 2 % 2],
                "diagnosis": ["", "benign", "malignant"][number % 3],
                "report": f"Scan number {number} shows a lesion of {number} mm and nothing else.",
                "source_url": "https://example.org",
                "width": "8",
            }
        )
    write_csv(folder / "list.csv", rows)
    return rows


def archive(folder, studies=100):
    """One picture a study, in folders without endings, and reports keyed by accession number."""
    reports = []
    for study in range(studies):
        path = folder / "pacs" / f"{study:05}" / "IM0"
        path.parent.mkdir(parents=True)
        write_dicom(
            path,
            np.asarray(picture(study)).astype(np.uint16) * 16,
            PatientID=f"P{study // 2}",
            AccessionNumber=f"ACC{study}",
            BitsStored=12,
            HighBit=11,
        )
        finding = ["normal", "pneumonia"][study % 2]
        text = f"Study {study}: the chest radiograph of today is compared and read as {finding}."
        reports.append({"Acc No": f"ACC{study}", "Finding": finding, "Report text": text})
    write_csv(folder / "reports.csv", reports)


def settings(path):
    return yaml.safe_load(path.read_text())


def test_a_table_of_pictures_is_registered_checked_and_listed(command, tmp_path, home):
    pictures(tmp_path / "Skin Lesions")
    done = command("domains", "register", tmp_path / "Skin Lesions", "--licence", "CC0-1.0")
    assert done.err == ""
    assert done.code == 0
    assert "sound: nothing keeps it from being trained on" in done.out
    made = settings(home / "skin-lesions" / "domain.yaml")
    assert made["source"]["media"] == {"image": {"kind": "image", "path": "scans/{scan}.png"}}
    assert (made["group"], made["attributes"]) == ("PatientNumber", ["sex"])
    assert list(made["tasks"]) == ["diagnosis", "sex", "describe"]
    assert made["tasks"]["diagnosis"]["choices"] == ["benign", "malignant"]
    assert made["tasks"]["diagnosis"]["where"] == {"diagnosis": ["*"]}
    assert made["splits"]["stratify"] == "diagnosis"
    listed = json.loads(command("domains", "list", "--json").out)
    assert "skin-lesions" in {one["name"] for one in listed}
    assert command("domains", "check", "skin-lesions").code == 0


def test_a_hundred_dicom_files_and_a_csv_by_accession_number(command, tmp_path, home):
    archive(tmp_path / "hospital")
    (tmp_path / "hospital" / "README.txt").write_text("exported on Monday")
    done = command("domains", "register", tmp_path / "hospital", "--json", "--licence", "own")
    assert done.err == ""
    found = json.loads(done.out)
    source = found["settings"]["source"]
    assert source["reports"] == {
        "path": "reports.csv",
        "column": "Acc No",
        "tag": "AccessionNumber",
    }
    assert found["settings"]["group"] == "PatientID"
    assert list(found["settings"]["tasks"]) == ["finding", "describe"]
    assert found["check"]["samples"] == {"train": 140, "validation": 20, "test": 40}
    assert "source.reports: 100% of the files" in "".join(found["notes"])
    assert Path(found["file"]) == home / "hospital" / "domain.yaml"


def test_films_with_subtitles(command, tmp_path):
    for number in range(4):
        films = tmp_path / "course" / "films"
        films.mkdir(parents=True, exist_ok=True)
        write_film(films / f"{number}.mp4", frames=20, rate=10)
        words = tmp_path / "course" / "words" / f"{number}.srt"
        words.parent.mkdir(exist_ok=True)
        words.write_text(SRT.replace("{n}", str(number)))
    done = command("domains", "register", tmp_path / "course", "--json", "--dry-run")
    assert done.code == 0, done.err
    made = json.loads(done.out)["settings"]
    assert made["source"]["kind"] == "video"
    assert made["tasks"]["say"]["answer"] == "{cue_text}"


def test_conversations_of_another_trainer(command, tmp_path):
    items = []
    for number in range(30):
        write_picture(tmp_path / "sft" / "images" / f"{number}.png", number)
        items.append(
            {
                "messages": [
                    {"role": "user", "content": "<image>What?"},
                    {"role": "assistant", "content": f"Picture {number}"},
                ],
                "images": [f"{number}.png"],
            }
        )
    (tmp_path / "sft" / "train.json").write_text(json.dumps(items))
    done = command("domains", "register", tmp_path / "sft", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["settings"]["source"]["media"]["image"]["path"] == "images/{path}"
    assert found["check"]["media"] == 30
    assert not any("answers: all" in note for note in found["notes"])
    for item in items:
        item["messages"] += [
            {"role": "user", "content": "Sure?"},
            {"role": "assistant", "content": "Yes"},
        ]
    (tmp_path / "sft" / "train.json").write_text(json.dumps(items))
    done = command("domains", "register", tmp_path / "sft", "--name", "talks", "--json")
    assert any("{answers: all} trains all" in note for note in json.loads(done.out)["notes"])


def test_a_table_that_names_files_from_the_folder_above(command, tmp_path):
    rows = pictures(tmp_path / "pack" / "skin")
    for row in rows:
        row["scan"] = f"skin/scans/{row['scan']}.png"
    write_csv(tmp_path / "pack" / "skin" / "list.csv", rows)
    done = command("domains", "register", tmp_path / "pack" / "skin", "--dry-run", "--json")
    made = json.loads(done.out)["settings"]
    assert made["data_root"] == str(tmp_path / "pack")
    assert made["source"]["path"] == "skin/list.csv"
    assert made["source"]["media"]["image"]["path"] == "{scan}"


def test_faults_are_found_at_once_and_the_domain_stays_to_be_corrected(command, tmp_path, home):
    pictures(tmp_path / "skin")
    (tmp_path / "skin" / "scans" / "s007.png").write_bytes(b"")
    done = command("domains", "register", tmp_path / "skin")
    assert done.code == 3
    assert "is registered, and not fit to be trained on yet: 1 problem(s)" in done.err
    assert "list.csv row 9: medium 'image': the file is empty" in done.out
    assert "warning: licence" in done.out
    assert (home / "skin" / "domain.yaml").is_file()


def test_a_domain_is_removed_and_its_data_stay(command, tmp_path, home):
    pictures(tmp_path / "skin")
    assert command("domains", "register", tmp_path / "skin").code == 0
    again = command("domains", "register", tmp_path / "skin")
    assert again.code == 2
    assert "choose another --name" in again.err
    assert command("domains", "remove", "skin").code == 0
    assert not (home / "skin").exists()
    assert (tmp_path / "skin" / "list.csv").is_file()
    shipped = command("domains", "remove", "scenes")
    assert shipped.code == 2
    assert "is not a registered one" in shipped.err


MISTAKES = {
    "nowhere": ({}, ["nowhere"], "there is no such folder"),
    "an array": ({"x-idx3-ubyte.gz": "x"}, ["."], "x-idx3-ubyte.gz is an array of pictures"),
    "nothing": ({"x.txt": "x"}, ["."], "holds no table"),
    "no media column": ({"t.csv": "a,b\n1,2\n"}, ["."], "no table with a column"),
    "bad name": ({"t.csv": "a\n1\n"}, [".", "--name", "My Data"], "must be small letters"),
    "bad kind": ({"t.csv": "a\n1\n"}, [".", "--kind", "dicoms"], "Did you mean 'dicom'?"),
    "not UTF-8": ({"t.csv": b"caf\x81\n1\n"}, ["."], "is not UTF-8 text"),
    "broken table": ({"t.json": "{"}, ["t.json", "--kind", "table"], "is not JSON"),
    "no conversations": ({"t.json": "[]"}, [".", "--kind", "chat"], "holds conversations"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_sentence_and_writes_nothing(command, tmp_path, home, case):
    files, arguments, says = MISTAKES[case]
    folder = tmp_path / "given"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    done = command("domains", "register", folder / arguments[0], *arguments[1:])
    assert done.code in (2, 3)
    assert says in done.err
    assert done.err.count("\n") == 1
    assert not home.exists()


def test_reports_as_an_office_program_of_another_country_writes_them(command, tmp_path):
    archive(tmp_path / "hospital", studies=30)
    table = tmp_path / "hospital" / "reports.csv"
    text = table.read_text().replace(",", ";").replace("normal", "höher")
    table.write_bytes(text.encode("cp1252"))
    done = command("domains", "register", tmp_path / "hospital", "--json")
    found = json.loads(done.out)
    assert done.code == 0, done.err
    assert found["settings"]["source"]["reports"]["encoding"] == "cp1252"
    assert found["settings"]["tasks"]["finding"]["choices"] == ["höher", "pneumonia"]
    assert "reports.csv is not UTF-8" in "".join(found["notes"])


NO_REPORTS = {
    "reports.xlsx": "but no table .* \\(is it reports.xlsx\\? Save it as CSV UTF-8",
    "staff.csv": "but no column of staff.csv ties its rows to the files",
    "reports.parquet": "but a table that cannot be read: .*Parquet",
}


@pytest.mark.parametrize(("name", "says"), NO_REPORTS.items())
def test_pictures_about_which_no_table_says_anything(command, tmp_path, name, says):
    archive(tmp_path / "hospital", studies=2)
    (tmp_path / "hospital" / "reports.csv").unlink()
    (tmp_path / "hospital" / name).write_text("who,what\nAnn,nurse\n")
    done = command("domains", "register", tmp_path / "hospital")
    assert done.code == 2
    assert re.search(f"2 DICOM pictures, {says}", done.err)
    assert "put a CSV of reports or labels beside them" in done.err


def test_a_table_in_a_folder_beside_the_pictures(command, tmp_path):
    rows = pictures(tmp_path / "pack", count=30)
    for row in rows:
        row["scan"] = f"scans/{row['scan']}.png"
    write_csv(tmp_path / "pack" / "questions" / "easy" / "list.csv", rows)
    (tmp_path / "pack" / "list.csv").unlink()
    done = command(
        "domains", "register", tmp_path / "pack" / "questions" / "easy" / "list.csv", "--dry-run",
        "--json",
    )  # fmt: skip
    made = json.loads(done.out)["settings"]
    assert made["data_root"] == str(tmp_path / "pack")
    assert made["source"]["path"] == "questions/easy/list.csv"
    assert made["source"]["media"]["image"]["path"] == "{scan}"
