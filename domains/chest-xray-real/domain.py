"""What the radiology pack's images.csv says, as answers to questions.

Each question is asked only where its answer is not given away by which collection an image comes
from: the collections differ in age, scanner and labelling.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ADULT_YEARS = 18
NOTE_CHARACTERS = 300
HIDDEN = "___"

# Names of the disease, its germ or its test; and the year of the pandemic.
GIVEN_AWAY = re.compile(
    r"""covid[\s-]*(19)?|coronavirus(\s+disease)?(\s+2019)?|sars-cov-2|2019-ncov
    |(rt-)?pcr|naso\w*\s+swabs?|\b20(19|20)\b
    |mycoplasma(\s+pneumoniae)?|klebsiella(\s+pneumoniae)?|legionella(\s+pneumophila)?
    |pneumocystis(\s+\w+)?|varicella(\s+zoster)?|chickenpox|influenza|h1n1|lipoid""",
    flags=re.IGNORECASE | re.VERBOSE,
)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    """Every image, with one column per question; a question that does not fit has an empty one."""
    for row in rows:
        collection = row["collection"].split()[0]
        years = int(row["age"]) if row["age"].isdigit() else None
        adult = years is not None and years >= ADULT_YEARS
        frontal_adult = adult and row["frontal"] == "1"
        labels = row["labels"].split("|")
        sex = {"F": "female", "M": "male"}.get(row["sex"], "")
        answers = {
            "pneumonia": "",
            "projection": row["view"].split()[0].lower() if frontal_adult else "",
            "sex_asked": sex if frontal_adult else "",
            "finding": "",
            "cause": "",
        }
        if collection == "Kermany":
            answers["pneumonia"] = "pneumonia" if "Pneumonia" in labels else "normal"
        elif collection == "NIH" and frontal_adult:
            answers["finding"] = "normal" if labels == ["No Finding"] else "abnormal"
        elif collection == "COVID-19":
            answers["cause"] = "covid-19" if "COVID-19" in labels else "other"
        yield (
            row
            | answers
            | {
                "about": _about(years, sex, row["view"]),
                "history": _history(row["clinical_note"]),
                "sex_stated": sex,
                "view_stated": row["view"].lower(),
                "age_band": _age_band(collection, years),
                "stratum": " ".join([collection, *answers.values()]),
            }
        )


def _about(years: int | None, sex: str, view: str) -> str:
    stated = [f"age {years}" if years is not None else "", sex, f"view {view.lower()}"]
    return ", ".join(part for part in stated if part)


def _age_band(collection: str, years: int | None) -> str:
    if years is None:
        return "1-5" if collection == "Kermany" else ""
    if years < ADULT_YEARS:
        return "under 18"
    return "18-39" if years < 40 else "40-59" if years < 60 else "60 and over"


def _history(note: str) -> str:
    """The note's first sentences, up to a length, without what names the cause."""
    kept = ""
    for sentence in SENTENCE_END.split(GIVEN_AWAY.sub(HIDDEN, note)):
        longer = f"{kept} {sentence}".strip()
        if len(longer) > NOTE_CHARACTERS:
            break
        kept = longer
    return kept or GIVEN_AWAY.sub(HIDDEN, note)[:NOTE_CHARACTERS].rpartition(" ")[0]
