"""The schema of ``source:`` in domain.yaml: where rows come from, and their media."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from transferlab.config.section import Section


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError(
            f"there is no encoding '{name}'; usual are utf-8, cp1252, utf-16"
        ) from None
    return name


Encoding = Annotated[str, AfterValidator(_known_encoding)]
"""Of CSV and TSV files, as Python calls it; JSON and Parquet have their own."""


class MediaSection(Section):
    """One medium of a row."""

    kind: Literal["image", "dicom", "video"]
    path: str
    """Template relative to the source's folder, e.g. "images/{file}"."""
    start: str | None = None
    """Video: column that holds the segment's start, in seconds."""
    end: str | None = None
    """Video: column that holds the segment's end, in seconds."""
    frames: Annotated[int, Field(ge=1)] = 1
    """Video: frames shown, evenly spaced over the segment."""
    frames_per_second: Annotated[float, Field(gt=0)] | None = None
    """Video: so many frames per second of the segment, at least one and at most ``frames``."""
    sound: bool = False
    """Video: the sound track belongs to it, at 16 kHz and one channel, for backbones that listen; a
    film without one is then a bad row."""

    @model_validator(mode="after")
    def _only_films_sound(self) -> "MediaSection":
        if self.sound and self.kind != "video":
            raise ValueError("sound: only with kind 'video'")
        return self


class TranscriptSection(Section):
    """A WebVTT or SRT file per row: the row becomes one row per cue, with what was said and when.

    The new columns are cue_text, cue_start and cue_end (seconds); a video medium may name the
    latter two as its start and end, so that its frames are those seen while the words are spoken.
    """

    path: str
    """Template relative to the source's folder, e.g. "transcripts/{file}.vtt"."""
    encoding: Encoding = "utf-8"
    """Of those files that are not UTF-8 and have no byte order mark, e.g. cp1252."""
    optional: bool = False
    """Keep a row whose path is empty, with the cue columns it has, or empty ones; otherwise such a
    row is a bad row."""
    cue: str | None = None
    """Column that holds the number, from 1, of the one cue that a row is about, for a table that
    says something of its own about every cue; the row then stays one row."""


class ReportsSection(Section):
    """A table that is joined with DICOM files: every file gets the rows whose key is its own."""

    path: str
    """Relative to the domain's data root; CSV, TSV, JSON, JSONL or Parquet."""
    encoding: Encoding = "utf-8"
    """Of a CSV or TSV file, e.g. cp1252."""
    column: str
    """Column of the table that holds the key."""
    tag: str
    """What the key is in a file: an element by keyword (AccessionNumber) or "ggggeeee"; or "file",
    its path relative to the data root, or "stem", its name without folder and ending."""
    optional: bool = False
    """Keep a file without a report, with empty columns; otherwise it is a bad row."""
    normalise: Literal["number"] | None = None
    """number: leading zeros and a final ".0", which spreadsheets take away or add, make no
    difference; keys that would then be one are refused."""


class HubSection(Section):
    """A dataset on the Hugging Face hub."""

    id: Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)?$")]
    """E.g. "flaviagiammarino/vqa-rad"."""
    subset: str | None = None
    """Its configuration, where it has several."""
    revision: str | None = None
    """A branch, tag or commit; a commit keeps the data from changing."""


class SourceSection(Section):
    """Where the rows come from."""

    kind: str
    """table, dicom, chat, video, files, webdataset, huggingface, interactions or generated; or a
    third party's: the name of its entry point (group ``transferlab.sources``), or
    ``module:Class``."""
    path: str = "metadata.csv"
    """Relative to the domain's data root. Table, interactions and generated: the table; CSV, TSV,
    JSON, JSONL or Parquet by its ending. Chat: the JSON or JSONL file. Dicom: a folder ("." for the
    root) or a DICOMDIR. Video and files: a folder. Webdataset: a .tar shard, or a folder of them.
    Huggingface: a folder that `save_to_disk` wrote. Interactions may have a folder, too. Left out:
    metadata.csv of a table, else the data root."""
    hub: HubSection | None = None
    """Huggingface: a dataset on the hub instead of ``path``."""
    encoding: Encoding = "utf-8"
    """Table and interactions: of CSV and TSV files, e.g. cp1252."""
    pattern: str = "*"
    """Files: which names count, e.g. "*.xml"; domain.py makes rows of them. Webdataset: which
    shards, e.g. "train-*.tar"."""
    parts: dict[str, str] = {}
    """Table: several tables instead of ``path``, by the word that the column "part" then holds."""
    media: dict[str, MediaSection] = {}
    """Media by name; a task's prompt names them as <name>. Chat: at most "image" and "video", with
    paths over {path}, which is what the conversation says."""
    reports: ReportsSection | None = None
    """Dicom: the table that says something about the files."""
    tags: list[str] = []
    """Dicom: elements, beside the usual ones, that become columns: keywords or "ggggeeee"."""
    only: dict[str, list[str]] = {}
    """Dicom: files whose element has one of these values, e.g. Modality: [DX, CR]."""
    transcript: TranscriptSection | None = None
    """Table and generated: rows are videos, and these are their transcripts."""
    generator: str | None = None
    """Which built-in world writes the table and its media: generated; interactions may have one."""
    options: dict[str, Any] = {}
    """Generated: options of the generator, e.g. samples and seed. Chat: ``answers``, those that are
    learned (each, last, all). Interactions, and a third party's kind: its own."""

    @model_validator(mode="before")
    @classmethod
    def _default_path(cls, given: Any) -> Any:
        """Kinds that read a folder look at the data root, unless told otherwise."""
        if not isinstance(given, dict) or {"path", "hub"} & set(given):
            return given
        of_a_file = given.get("kind") in ("table", "generated", "chat", "interactions")
        return given if of_a_file else given | {"path": "."}

    @model_validator(mode="after")
    def _fits_the_kind(self) -> "SourceSection":
        if self.kind != "dicom":
            for name in ("reports", "tags", "only"):
                if getattr(self, name):
                    raise ValueError(f"{name}: only with kind 'dicom'")
        if self.kind not in ("files", "webdataset") and "pattern" in self.model_fields_set:
            raise ValueError(
                "pattern: only with kind 'files' or 'webdataset'; a kind of your own has options"
            )
        if self.hub is not None and (self.kind != "huggingface" or "path" in self.model_fields_set):
            raise ValueError("hub: only with kind 'huggingface', and instead of path")
        with_encoding = self.kind in ("table", "interactions")
        if not with_encoding and "encoding" in self.model_fields_set:
            raise ValueError(
                "encoding: only with kind 'table' or 'interactions', and under reports"
            )
        if self.parts and (self.kind != "table" or "path" in self.model_fields_set):
            raise ValueError("parts: only with kind 'table', and instead of path")
        if self.kind == "chat" and set(self.media) - {"image", "video"}:
            raise ValueError("media: a chat has at most 'image' and 'video'")
        if self.kind == "chat" and self.transcript is not None:
            raise ValueError("transcript: not with kind 'chat'")
        return self

    @model_validator(mode="after")
    def _generator_given(self) -> "SourceSection":
        if self.kind != "interactions" and (self.kind == "generated") != bool(self.generator):
            raise ValueError("generator: needed with kind 'generated'; else only 'interactions'")
        return self
