"""A small domain of learners' answers, written where a test wants it."""

import random

from domain_cases import write_picture, write_settings, write_table

from transferlab.domain.handle import open_domain

COLUMNS = {"learner": "student", "item": "question", "time": "when", "right": "correct"}
TASKS = {
    "right": {
        "kind": "classify",
        "prompt": "<image>\n{text}\nBefore: {history}",
        "answer": "{right}",
        "choices": ["no", "yes"],
        "metrics": ["auroc"],
    }
}
LEARNERS, ITEMS, EACH = 12, 10, 8


def answer_rows(seed=0):
    """Learners called anna-0 and so on, each of whom answers some of ten items, in mixed order."""
    rng = random.Random(seed)
    rows = [
        {
            "student": f"anna-{learner}",
            "question": f"q{item}",
            "when": f"2024-03-{day + 1:02d} 10:0{rng.randrange(10)}:00",
            "correct": str(rng.randrange(2)),
            "hints": str(rng.randrange(3)),
        }
        for learner in range(LEARNERS)
        for day, item in enumerate(rng.sample(range(ITEMS), EACH))
    ]
    rng.shuffle(rows)
    return rows


def write_learners(folder, *, rows=None, options=(), settings=(), joined=True):
    """A domain over answers with a table of items and their pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / "answers.csv", answer_rows() if rows is None else rows)
    items = [
        {"id": f"q{n}", "text": f"How large is {n}?", "file": f"{n}.png"} for n in range(ITEMS)
    ]
    write_table(folder / "items.csv", items)
    for n in range(ITEMS):
        write_picture(folder / f"{n}.png", n)
    items_table = {"items": {"path": "items.csv", "column": "id"}} if joined else {}
    source = {
        "kind": "interactions",
        "path": "answers.csv",
        "media": {"image": {"kind": "image", "path": "{file}"}},
        "options": COLUMNS
        | {"history": 3, "entry": "{text} {outcome}"}
        | items_table
        | dict(options),
    }
    given = {"source": source, "group": "learner", "splits": {"column": "split"}, "tasks": TASKS}
    return write_settings(folder, **given | {"attributes": []} | dict(settings))


def rows_of(entry):
    return list(open_domain(entry).source)
