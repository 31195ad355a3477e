"""Writes a few made rows of each public set in the form in which the set is published."""

import csv
import gzip
import io
import json
import zlib

import numpy as np
import pyarrow as pa
from domain_cases import picture, write_dicom, write_picture
from pyarrow import parquet

from transferlab.domain.tables.parquet_images import unpack

COUNT = 12
SECTIONS = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ year old with cough.

 FINDINGS:

 The lungs are clear of
 consolidation {n}.

 IMPRESSION:

 No acute process {n}.
"""


def stable(*parts):
    """A number of its own for every name, the same in every process."""
    return zlib.crc32(repr(parts).encode())


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def table(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def dicom(path, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_dicom(path, np.asarray(picture(number)).astype(np.uint16))


def vqa_rad(root):
    items = []
    for n in range(COUNT):
        write_picture(root / "VQA_RAD Image Folder" / f"synpic{n}.jpg", n)
        items += [
            {
                "qid": str(2 * n + k), "phrase_type": ["freeform", "test_para"][k],
                "qid_linked_id": f"0{n}", "image_case_url": "https://medpix.nlm.nih.gov/case?id=1",
                "image_name": f"synpic{n}.jpg", "image_organ": ["HEAD", "CHEST", "ABD"][n % 3],
                "evaluation": "not evaluated", "question": "Is there a mass?",
                "question_rephrase": "NULL", "question_relation": "NULL", "question_frame": "NULL",
                "question_type": "PRES", "answer": ["Yes", "no", "Left lobe", 4][(n + k) % 4],
                "answer_type": ["CLOSED", "CLOSED ", "OPEN", "OPEN"][(n + k) % 4],
            }
            for k in range(2)
        ]  # fmt: skip
    put(root / "VQA_RAD Dataset Public.json", items)


def slake(root):
    for part in ("train", "validate", "test"):
        items = []
        for n in range(4):
            name = f"xmlab{part}{n}/source.jpg"
            write_picture(root / "imgs" / name, stable(name))
            items += [
                {
                    "img_id": n, "img_name": name, "question": question, "answer": answer,
                    "q_lang": lang, "location": "Lung", "modality": "X-Ray", "answer_type": "OPEN",
                    "base_type": "vqa", "content_type": "Organ", "triple": ["vhead", "_", "_"],
                    "qid": f"{part}{n}{answer}",
                }
                for question, answer, lang in [
                    ("Is it healthy?", ["Yes", "No"][n % 2], "en"),
                    ("Which organ?", "Lung", "en"),
                    ("哪个器官?", "肺", "zh"),
                ]
            ]  # fmt: skip
        put(root / f"{part}.json", items)


def pathvqa(root):
    for part in ("train", "validation", "test"):
        rows = []
        for n in range(4):
            buffer = io.BytesIO()
            picture(stable(part, n)).save(buffer, "JPEG")
            image = {"bytes": buffer.getvalue(), "path": None}
            rows += [
                {"image": image, "question": "is this a cell?", "answer": ["yes", "no"][n % 2]},
                {"image": image, "question": "what is this?", "answer": f"a cell {n}"},
            ]
        path = root / "hub" / "data" / f"{part}-00000-of-00001-abc.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(rows), path)
    assert unpack(root / "hub", root) == {f"{p}.jsonl": 8 for p in ("test", "train", "validation")}
    assert len(list((root / "media").iterdir())) == 12


def scienceqa(root):
    problems = {}
    for n in range(1, COUNT + 1):
        split = ["train", "val", "test"][n % 3]
        image = "image.png" if n <= 9 else None
        if image:
            write_picture(root / "images" / split / str(n) / image, n)
        problems[str(n)] = {
            "question": "Which is the largest?", "choices": ["Iowa", "Ohio", "Utah"][: 2 + n % 2],
            "answer": n % 2, "hint": "" if n % 2 else "Look.", "image": image, "task": "closed",
            "grade": "grade2", "subject": "language", "topic": "geography",
            "category": "Geography", "skill": "Compare", "lecture": "", "solution": f"It is {n}.",
            "split": split,
        }  # fmt: skip
    put(root / "problems.json", problems)


def ai2d(root):
    for n in range(COUNT):
        write_picture(root / "images" / f"{n}.png", n)
        questions = {
            f"What comes after {k}?": {
                "abcLabel": False, "answerTexts": ["egg", "larva", "pupa", "egg"],
                "correctAnswer": k + 1, "questionId": f"{n}.png-{k}",
            }
            for k in range(2)
        }  # fmt: skip
        put(root / "questions" / f"{n}.png.json", {"imageName": f"{n}.png", "questions": questions})
    put(root / "categories.json", {f"{n}.png": "lifeCycles" for n in range(COUNT)})


def tqa(root):
    for folder, name in (("train", "v1_train"), ("val", "v1_val"), ("test", "v2_test")):
        lessons = []
        for n in range(3):
            image = f"question_images/{folder}_{n}.png"
            write_picture(root / folder / image, stable(image))
            choices = {
                letter: {"idStructural": f"{letter}.", "processedText": text, "rawText": text}
                for letter, text in zip("abc", ["mantle", "crust", "core"], strict=True)
            }
            diagram = {
                f"DQ_{folder}{n}": {
                    "answerChoices": choices,
                    "beingAsked": {"processedText": "What is at C?", "rawText": "What is at C?"},
                    "correctAnswer": {"processedText": "c", "rawText": "c. core"},
                    "globalID": f"DQ_{folder}{n}", "imageName": f"{folder}_{n}.png",
                    "imagePath": image, "questionType": "Diagram Multiple Choice",
                }
            }  # fmt: skip
            questions = {"diagramQuestions": diagram, "nonDiagramQuestions": {}}
            lesson = {"globalID": f"L_{folder}{n}", "lessonName": "earth", "questions": questions}
            lessons.append(lesson | {"topics": {}, "adjunctTopics": {}})
        put(root / folder / f"tqa_{name}.json", lessons)


NIH = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"  # with a comma at the end
)


def nih(root, header=NIH):
    lines = [header]
    for n in range(COUNT):
        name = f"{n:08}_000.png"
        write_picture(root / f"images_{n % 2 + 1:03}" / "images" / name, n)
        labels = ["No Finding", "Pleural_Thickening", "Edema|Mass"][n % 3]
        lines.append(f"{name},{labels},0,{n},58,{'MF'[n % 2]},PA,2682,2749,0.143,0.143,")
    put(root / "Data_Entry_2017.csv", "\n".join(lines) + "\n")


def vindr(root):
    for part, readers in (("train", 3), ("test", 1)):
        rows = []
        for n in range(6):
            image = f"{stable(part, n):032x}"
            dicom(root / part / f"{image}.dicom", stable(part, n))
            for reader in range(readers):
                healthy = int(n % 2 == 0 or reader == 1)
                row = (
                    {"image_id": image, "rad_id": f"R{reader}"}
                    if readers > 1
                    else {"image_id": image}
                )
                row |= {"Aortic enlargement": "", "Cardiomegaly": "" if healthy else 1}
                other = "Other diseases" if part == "train" else "Other disease"
                rows.append(row | {other: 0, "No finding": healthy})
        table(root / "annotations" / f"image_labels_{part}.csv", rows)


def mimic_rows():
    for n in range(COUNT):
        patient, study, image = f"1{n:07}", f"5{n:07}", f"{n:08x}-1-2-3-4"
        yield n, patient, study, image, f"files/p{patient[:2]}/p{patient}/s{study}"


CHEXPERT = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum",
    "Fracture", "Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other",
    "Pneumonia", "Pneumothorax", "Support Devices",
)  # fmt: skip


def mimic_jpg(root):
    split, metadata, labels = [], [], []
    for n, patient, study, image, folder in mimic_rows():
        write_picture(root / folder / f"{image}.jpg", n)
        put(root / f"{folder}.txt", SECTIONS.replace("{n}", str(n)))
        side = ["train", "validate", "test"][n % 3]
        ids = {"dicom_id": image, "study_id": study, "subject_id": patient}
        split.append(ids | {"split": side})
        metadata.append(
            {
                "dicom_id": image, "subject_id": patient, "study_id": study,
                "PerformedProcedureStepDescription": "CHEST (PA AND LAT)",
                "ViewPosition": "LATERAL" if n == 0 else "PA", "Rows": 3056, "Columns": 2544,
                "StudyDate": 21800506, "StudyTime": "213014.531",
                "ProcedureCodeSequence_CodeMeaning": "CHEST (PA AND LAT)",
                "ViewCodeSequence_CodeMeaning": "postero-anterior",
                "PatientOrientationCodeSequence_CodeMeaning": "Erect",
            }
        )  # fmt: skip
        found = {"Edema": ["", "1.0"][n // 3 % 2], "No Finding": ["1.0", ""][n // 3 % 2]}
        found = dict.fromkeys(CHEXPERT, "") | found | {"Pneumonia": "-1.0", "Support Devices": 1.0}
        labels.append({"subject_id": patient, "study_id": study, **found})
    table(root / "mimic-cxr-2.0.0-split.csv.gz", split)
    table(root / "mimic-cxr-2.0.0-metadata.csv.gz", metadata)
    table(root / "mimic-cxr-2.0.0-chexpert.csv.gz", labels)


def mimic(root):
    rows = []
    for n, patient, study, image, folder in mimic_rows():
        dicom(root / folder / f"{image}.dcm", n)
        put(root / f"{folder}.txt", SECTIONS.replace("{n}", str(n)))
        ids = {"subject_id": patient, "study_id": study, "dicom_id": image}
        rows.append(ids | {"path": f"{folder}/{image}.dcm"})
    table(root / "cxr-record-list.csv.gz", rows)


OPENI = """<?xml version="1.0" encoding="utf-8"?><eCitation><uId id="CXR{n}"/>
<MedlineCitation><Article><Abstract><AbstractText Label="COMPARISON">None.</AbstractText>
<AbstractText Label="INDICATION">Pain {n}</AbstractText>
<AbstractText Label="FINDINGS">{findings}</AbstractText>
<AbstractText Label="IMPRESSION">Normal {n}.</AbstractText></Abstract></Article></MedlineCitation>
<MeSH><major>{heading}</major></MeSH>{images}</eCitation>"""


def openi(root):
    for n in range(COUNT):
        images = [f"CXR{n}_1_IM-0001-{view}001" for view in (3, 4)][: 0 if n == 0 else 2]
        for k, image in enumerate(images):
            write_picture(root / "NLMCXR_png" / f"{image}.png", 2 * n + k)
        parents = (f'<parentImage id="{one}"><caption>PA</caption></parentImage>' for one in images)
        report = OPENI.format(
            n=n,
            findings="" if n == 1 else f"Clear lungs {n}.",
            heading=["normal", "Cardiomegaly/mild"][n % 2],
            images="".join(parents),
        )
        put(root / "ecgen-radiology" / f"{n}.xml", report)


SETS = {  # what writes it, and how many samples each task has
    "vqa-rad": (vqa_rad, {"closed": 12, "open": 12}),
    "slake": (slake, {"closed": 12, "open": 12}),
    "pathvqa": (pathvqa, {"closed": 12, "open": 12}),
    "scienceqa": (scienceqa, {"question": 9, "solution": 9}),
    "ai2d": (ai2d, {"question": 24}),
    "tqa": (tqa, {"question": 9}),
    "nih-chestxray14": (nih, {"finding": 12, "which": 4}),
    "vindr-cxr": (vindr, {"finding": 12, "cardiomegaly": 12}),
    "mimic-cxr-jpg": (mimic_jpg, {"finding": 11, "report": 11}),
    "mimic-cxr": (mimic, {"impression": 12, "findings": 12}),
    "openi": (openi, {"finding": 22, "impression": 22, "findings": 20}),
}
