"""The schema of ``source.options`` where ``source.kind`` is interactions: learners' answers."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from transferlab.config.section import MAX_SEED, Section
from transferlab.config.source import Encoding

Share = Annotated[float, Field(ge=0, lt=1)]


class JoinSection(Section):
    """A table with one row per key, whose columns are joined with the answers."""

    path: str
    """Relative to the domain's data root; CSV, TSV, JSON, JSONL or Parquet."""
    column: str
    """Its column that holds the key."""
    encoding: Encoding = "utf-8"
    """Of a CSV or TSV file, e.g. cp1252."""
    normalise: Literal["number"] | None = None
    """number: leading zeros and a final ".0", which spreadsheets take away or add, make no
    difference; two rows that would then have one key are refused."""
    optional: bool = False
    """Keep an answer without such a row, with empty columns; otherwise it is a bad row."""


class InteractionsOptions(Section):
    """Which columns say who answered what, when and how; what of it is shown, and who is where.

    Where a column holds a JSON object, a dotted name looks into it: ``actor.account.name``,
    ``object.id``, ``result.success``, ``verb.id`` of xAPI statements.
    """

    learner: str | None = None
    """Column of the learner; None: ``source.path`` is a folder with one table per learner, which is
    called as the learner is (u1.csv)."""
    item: str
    """Column of the item that is answered."""
    time: str
    """Column of the time of the answer: a number that grows, or an ISO date; an answer's history is
    what the learner answered at an earlier time, and never at the same."""
    right: str | None = None
    """Column that says whether the answer is right: 1 or 0, true or false."""
    chosen: str | None = None
    """Column of the option that was chosen."""
    correct: str | None = None
    """Instead of ``right``: column of the right option, of the answers or of the items; the answer
    is right where ``chosen`` is the same."""
    answer: str | None = None
    """Column that numbers the answers: rows of one number are one answer, as where a row is
    repeated for each skill; what they say beside is put together. Also the key of ``answers``."""
    only: dict[str, list[str]] = {}
    """Rows whose column has one of these values are answers, the others are none, as where a log
    has views and lectures beside them."""
    items: JoinSection | None = None
    """Texts, media and the like of every item, by ``item``."""
    learners: JoinSection | None = None
    """Attributes of every learner, by ``learner``."""
    answers: JoinSection | None = None
    """More of every answer, such as its time, by ``answer``."""
    known_before: list[str] = []
    """Other columns of the answers that are known before the answer is given, such as the lesson
    that it belongs to. Columns that are not named here do not become part of rows: most of them,
    such as hints taken and seconds used, tell how the answer turned out."""
    history: Annotated[int, Field(ge=0)] = 0
    """So many of the learner's latest earlier answers make the column "history"."""
    entry: str = "{item}: {outcome}"
    """Template of one of them, over the columns of items and ``known_before``, item, chosen and
    outcome (right or wrong)."""
    separator: str = "; "
    """Between two of them."""
    no_history: str = "nothing"
    """What "history" says of a learner's first answer."""
    split: Literal["learner", "time"] = "learner"
    """What the column "split" goes by: learner: everything of one learner is on one side, and
    ``group: learner`` of domain.yaml; time: each learner's last answers are tested, the earliest
    trained on, and ``group: learner_split``. Both take ``splits: {column: split}``."""
    validation: Share = 0.1
    """Of the learners, or of each learner's answers."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Likewise."""
    split_seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    """Decides which learners, and which items, are tested."""
    new_items: Share = 0.0
    """This share of the items is asked in the test split alone, and nothing else is asked there: no
    answer to them is trained on, nor part of a history that is trained on."""
    max_learners: Annotated[int, Field(ge=3)] | None = None
    """So many learners, drawn by ``split_seed``; None takes all."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    """With ``source.generator`` only: of the generated world."""
    samples: Annotated[int, Field(ge=1)] | None = None
    """With ``source.generator`` only: its answers."""

    @model_validator(mode="after")
    def _says_who_is_right(self) -> "InteractionsOptions":
        if (self.right is None) == (self.correct is None):
            raise ValueError("right: name it, or chosen and correct, and not both")
        if self.correct is not None and self.chosen is None:
            raise ValueError("chosen: is needed to compare correct with")
        if self.answers is not None and self.answer is None:
            raise ValueError("answer: is needed to join answers by")
        if self.validation + self.test >= 1:
            raise ValueError("test: validation and test must leave something for train")
        return self
