"""Which tasks and which group a table's columns propose."""

from transferlab.domain.onboarding.task_proposal import questions_of


def test_reports_are_a_text_though_many_are_alike_and_their_authors_are_no_label():
    alike = "The heart is of normal size and the lungs are clear."
    rows = [
        {"Radiologist": "AB"[n % 2], "Abnormal": "NY"[n % 3 > 0], "Report": f"{alike} {n % 3}"}
        for n in range(30)
    ]
    tasks = questions_of(rows, mark="xray", media_columns=[], medium="file").tasks
    assert list(tasks) == ["abnormal", "describe"]
    assert tasks["abnormal"]["prompt"] == "<xray>\nAbnormal? Answer N or Y."


def asked_about(rows, **given):
    return questions_of(rows, mark="image", **({"media_columns": ["f"], "medium": "f"} | given))


def test_a_question_with_listed_choices_is_asked_where_the_right_one_is_known():
    rows = [
        {"f": "a.png" if n % 2 else "", "question": "Which?", "choices": '["red", "blue"]',
         "answer": str(n % 2), "answer_text": ["red", "blue"][n % 2]}
        for n in range(40)
    ]  # fmt: skip
    task = asked_about(rows).tasks["choose"]
    assert (task["answer"], task["choices"]) == ("{answer_text}", "choices")
    assert task["where"] == {"choices": ["*"], "f": ["*"]}
    for row in rows:
        del row["answer_text"]
        row["colour"] = ["red", "green"][int(row["answer"])]
    without = asked_about(rows)
    assert "choose" not in without.tasks
    assert "answer" not in without.tasks
    assert "no column holds the text of the right one" in "".join(without.notes)


def test_a_group_is_looked_for_that_can_be_split():
    rows = [
        {"f": f"{n}.png", "book": f"B{n % 4}", "chapter": f"C{n % 40}", "topic": f"T{n % 4}"}
        for n in range(200)
    ]
    assert asked_about(rows).group == "chapter"
    for row in rows:
        del row["chapter"]
    assert asked_about(rows).group == "book"


def test_columns_of_interest_are_asked_about_beside_the_findings():
    rows = [
        {"f": f"{n}.png", "sex": "FM"[n % 2], "PatientSex": "FM"[n % 2], "machine": "AB"[n % 2],
         "finding": ["normal", "nodule"][n % 5 > 2], "went_icu": "YN"[n % 3 > 1]}
        for n in range(40)
    ]  # fmt: skip
    found = asked_about(rows)
    assert list(found.tasks) == ["finding", "sex", "went_icu"]
    assert found.stratify == "finding"
    assert "sex" in found.attributes


def test_columns_whose_names_differ_in_signs_alone_are_a_task_each():
    rows = [
        {"f": f"{n}.png", "finding": "ab"[n % 2], "Finding?": "cd"[n % 3 > 1],
         "finding (2)": "ef"[n % 2]}
        for n in range(40)
    ]  # fmt: skip
    tasks = asked_about(rows).tasks
    assert {name: task["answer"] for name, task in tasks.items()} == {
        "finding": "{finding}", "finding_2": "{Finding?}", "finding_2_2": "{finding (2)}",
    }  # fmt: skip


def test_a_column_called_as_the_text_task_does_not_give_way_to_it():
    text = "The heart is of normal size and the lungs are clear, with no effusion."
    rows = [{"f": f"{n}.png", "Describe": "ab"[n % 2], "report": f"{text} {n}"} for n in range(40)]
    assert list(asked_about(rows).tasks) == ["describe_2", "describe"]
