"""The shipped definitions of learners' answers, on a few made rows in each set's published form."""

import random
from dataclasses import replace

import pytest
from domain_cases import write_picture
from published_sets import put, table

from transferlab.core.records import SPLITS
from transferlab.domain.catalog import find_domains
from transferlab.domain.loader import load_domain
from transferlab.domain.validation.domain_check import check_domain

ASSISTMENTS = [
    *("order_id", "assignment_id", "user_id", "assistment_id", "problem_id", "original"),
    *("correct", "attempt_count", "ms_first_response", "tutor_mode", "answer_type", "sequence_id"),
    *("student_class_id", "position", "type", "base_sequence_id", "skill_id", "skill_name"),
    *("teacher_id", "school_id", "hint_count", "hint_total", "overlap_time", "template_id"),
    *(
        "answer_id",
        "answer_text",
        "first_action",
        "bottom_hint",
        "opportunity",
        "opportunity_original",
    ),
]
LEARNERS = 12


def assistments(root, *, collapsed=True):
    """Five answers of each pupil; the third has two skills, the fourth is a scaffolding problem."""
    rows = []
    for n in range(LEARNERS):
        for k in range(5):
            order = 30_000_000 + 100 * k + n
            skills = ["Box and Whisker", "Circle Graph"] if k == 2 else ["Box and Whisker"]
            skills = ["_".join(skills)] if collapsed else skills
            for skill in skills:
                row = dict.fromkeys(ASSISTMENTS, "1") | {
                    "order_id": str(order), "user_id": str(64_525 + n),
                    "problem_id": str(51_424 + (n + k) % 7), "original": str(int(k != 3)),
                    "correct": str((n + k) % 2), "tutor_mode": "tutor", "answer_type": "algebra",
                    "type": "MasterySection", "skill_name": skill, "answer_text": "",
                    "hint_count": str(k), "answer_id": "",
                }  # fmt: skip
                rows.append(({"": str(len(rows))} if collapsed else {}) | row)
    random.Random(0).shuffle(rows)
    ending = "_collapsed" if collapsed else ""
    table(root / f"skill_builder_data_corrected{ending}.csv", rows)


def ednet(root):
    """Two bundles of two questions for each learner."""
    questions = [
        {
            "question_id": f"q{q}", "bundle_id": f"b{q // 2}", "explanation_id": f"e{q // 2}",
            "correct_answer": "abcd"[q % 4], "part": str(1 + q % 7), "tags": "179;53;183",
            "deployed_at": "1571279008033",
        }
        for q in range(8)
    ]  # fmt: skip
    table(root / "contents" / "questions.csv", questions)
    for n in range(LEARNERS):
        rows = [
            {
                "timestamp": str(1_548_996_377_530 + 60_000 * bundle + 600 * k),
                "solving_id": str(bundle + 1), "question_id": f"q{(4 * n + 2 * bundle + k) % 8}",
                "user_answer": "abcd"[(n + k) % 4], "elapsed_time": "47000",
            }
            for bundle in range(2)
            for k in range(2)
        ]  # fmt: skip
        table(root / "KT1" / f"u{500 + n}.csv", rows)


def eedi(root):
    """Answers of ten pupils to six pictured questions, on one day each."""
    questions = [{"QuestionId": str(q), "SubjectId": f"[3, 71, {98 + q % 2}]"} for q in range(6)]
    table(root / "metadata" / "question_metadata_task_3_4.csv", questions)
    subjects = [("3", "Maths"), ("71", "Number"), ("98", "Fractions"), ("99", "Basic Arithmetic")]
    table(
        root / "metadata" / "subject_metadata.csv",
        [{"SubjectId": s, "Name": name, "ParentId": "NULL", "Level": "0"} for s, name in subjects],
    )
    for q in range(6):
        write_picture(root / "images" / f"{q}.jpg", q)
    answers, more, pupils = [], [{"AnswerId": "", "DateAnswered": "2020-01-01 10:00:00.000"}], []
    for n in range(LEARNERS):
        pupils.append(
            {
                "UserId": str(n), "Gender": str(n % 3), "DateOfBirth": "2008-01-01 00:00:00.000",
                "PremiumPupil": "" if n == 4 else "0.0",
            }
        )  # fmt: skip
        for k in range(4):
            number = 10 * n + k
            value = 1 + (n + k) % 4
            answers.append(
                {
                    "QuestionId": str((n + k) % 6), "UserId": str(n), "AnswerId": str(number),
                    "IsCorrect": str(int(value == 2)), "CorrectAnswer": "2",
                    "AnswerValue": str(value),
                }
            )  # fmt: skip
            more.append(
                {"AnswerId": f"{number}.0", "DateAnswered": f"2020-02-0{k + 1} 16:5{k}:00.000"}
            )
    more = [
        one | {"Confidence": "", "GroupId": "4", "QuizId": "9", "SchemeOfWorkId": ""}
        for one in more
    ]
    table(root / "train_data" / "train_task_3_4.csv", answers)
    table(root / "metadata" / "answer_metadata_task_3_4.csv", more)
    table(root / "metadata" / "student_metadata_task_3_4.csv", pupils)


SETS = {  # what writes it, where, and how many samples each task has
    "assistments-2009": (assistments, "assistments-2009", {"right": 4 * LEARNERS}),
    "ednet-kt1": (ednet, "ednet", {"right": 4 * LEARNERS}),
    "eedi-2020": (eedi, "eedi-2020", {"right": 4 * LEARNERS, "chosen": 4 * LEARNERS}),
}


def samples_of(name, root, **changes):
    entry = find_domains()[name]
    source = entry.config.source.model_copy(update=changes)
    data = load_domain(
        replace(entry, config=entry.config.model_copy(update={"source": source})), data_root=root
    )
    assert data.quarantined == ()
    return [one for split in SPLITS for one in data.splits[split]]


@pytest.mark.parametrize("name", SETS)
def test_a_set_in_its_published_form_becomes_samples_that_know_no_future(tmp_path, name):
    write, folder, expected = SETS[name]
    write(tmp_path / folder)
    samples = samples_of(name, tmp_path)
    tasks = {one.task for one in samples}
    assert {task: sum(one.task == task for one in samples) for task in tasks} == expected
    report = check_domain(find_domains()[name], data_root=tmp_path)
    assert report.errors == []
    entry = find_domains()[name]
    readme = (entry.folder / "README.md").read_text()
    assert "https://" in readme
    assert f"{entry.config.data_root}/" in readme


@pytest.mark.parametrize("collapsed", [True, False])
def test_assistments_answers_of_several_skills_are_one(tmp_path, collapsed):
    assistments(tmp_path / "assistments-2009", collapsed=collapsed)
    path = f"skill_builder_data_corrected{'_collapsed' if collapsed else ''}.csv"
    samples = samples_of("assistments-2009", tmp_path, path=path)
    assert sorted({one.learner_history.past_answers for one in samples}) == [0, 1, 2, 4]
    last = next(one for one in samples if one.learner_history.past_answers == 4)
    # Of the five answers the fourth, a scaffolding problem, is asked of nobody and known.
    assert len(last.learner_history.recent) == 4
    third = next(one for one in samples if one.learner_history.past_answers == 2)
    both = "Box and Whisker_Circle Graph" if collapsed else "Box and Whisker; Circle Graph"
    other = "Circle Graph; Box and Whisker"
    assert both in third.prompt or (not collapsed and other in third.prompt)
    assert all("hint" not in one.prompt for one in samples)


def test_ednet_questions_of_one_bundle_do_not_know_of_each_other(tmp_path):
    ednet(tmp_path / "ednet")
    samples = samples_of("ednet-kt1", tmp_path)
    assert {one.learner_history.past_answers for one in samples} == {0, 2}
    first = [one for one in samples if one.learner_history.item == "q1"]
    assert {one.answer for one in first} <= {"yes", "no"}
    assert any(one.answer == "yes" for one in samples)
    assert "u500" not in repr([(one.group, one.id, one.learner_history) for one in samples])


def test_eedi_knows_when_answers_were_given_and_what_was_chosen(tmp_path):
    eedi(tmp_path / "eedi-2020")
    samples = samples_of("eedi-2020", tmp_path)
    chosen = [one for one in samples if one.task == "chosen"]
    right = [one for one in samples if one.task == "right"]
    assert {one.answer for one in chosen} == set("ABCD")
    assert sum(one.answer == "B" for one in chosen) == sum(one.answer == "yes" for one in right)
    assert {one.learner_history.past_answers for one in right} == {0, 1, 2, 3}
    assert all(one.media[0].path.stem == one.learner_history.item for one in samples)
    assert "Topics: Maths, Number, Fractions" in " ".join(one.prompt for one in samples)
    assert {one.attributes["Gender"] for one in samples} == {"0", "1", "2"}


def test_an_answer_whose_time_is_not_known_is_a_bad_row(tmp_path):
    eedi(tmp_path / "eedi-2020")
    put(
        tmp_path / "eedi-2020" / "metadata" / "answer_metadata_task_3_4.csv",
        "AnswerId,DateAnswered,Confidence,GroupId,QuizId,SchemeOfWorkId\n"
        + "".join(f"{n},2020-02-01 10:00:00.000,,1,1,\n" for n in range(1, 200)),
    )
    entry = find_domains()["eedi-2020"]
    data = load_domain(entry, data_root=tmp_path, on_bad_sample="quarantine")
    (bad,) = data.quarantined
    assert bad.where == "train_task_3_4.csv row 2"
    assert "answer_metadata_task_3_4.csv" in bad.reason
