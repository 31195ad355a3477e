"""What a folder holds, before anybody has said anything about it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from transferlab.domain.base.archive_members import SHARD
from transferlab.domain.base.file_tree import DICOM_SUFFIXES, is_dicom, walk
from transferlab.domain.base.rows import Row
from transferlab.domain.base.template import as_literal
from transferlab.domain.sources.video import FILM_SUFFIXES, TRANSCRIPT_SUFFIXES
from transferlab.domain.tables.reader import TABLE_SUFFIXES, read_table
from transferlab.domain.tables.text_file import UTF8, WrongEncoding
from transferlab.errors import DataError, InputError

PICTURE_SUFFIXES = frozenset(
    f".{name}" for name in ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"]
)
OFFICE_SUFFIXES = (".xlsx", ".xls", ".ods")
"""What a stranger may take for a table, and is read nowhere."""
ARRAY_ENDINGS = ("ubyte", "ubyte.gz", ".npy", ".npz", ".h5", ".hdf5", ".mat")
"""Files of many pictures, which are read nowhere either."""
ARCHIVE_ENDINGS = (
    *(".zip", ".7z", ".rar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz"),
    *(".tar.zst", ".gz", ".bz2", ".xz", ".zst"),
)
"""Archives and packed files, which are read after they have been unpacked."""
OTHER_ENCODING = "cp1252"
_GUESSED_BYTES = 1 << 18
IDEOGRAPHS = ("CJK Unified", "Hiragana", "Katakana", "Hangul")
"""What office programs in western Europe and America write where they do not write UTF-8."""
SAVED = ("dataset_dict.json", "state.json")
"""What lies at the top of a folder that the datasets library saved."""
_LEVELS_ABOVE = 2
MARKS = {"image": "image", "dicom": "xray", "video": "clip"}
"""What a medium is called in a proposal, by its kind."""
_SAMPLED_VALUES = 300
_TRIED_TABLES = 5
ENOUGH = 0.5
"""The share of a column's values that must be files for the column to be one of media."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The files of a folder by what they are, as paths relative to it."""

    root: Path
    folder: str = "."
    """The folder that was looked at, relative to ``root``."""
    tables: list[str] = field(default_factory=list)
    office: list[str] = field(default_factory=list)
    """Spreadsheets, which are no tables until they are saved as such."""
    arrays: list[str] = field(default_factory=list)
    """Pictures packed into one file, as MNIST's."""
    archives: list[str] = field(default_factory=list)
    """Archives that may hold what is looked for."""
    pictures: list[str] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)
    transcripts: list[str] = field(default_factory=list)
    dicoms: list[str] = field(default_factory=list)
    shards: list[str] = field(default_factory=list)
    """Tar files."""
    saved: bool = False
    """Whether the datasets library saved the folder."""

    def of_suffix(self, suffix: str) -> list[str] | None:
        """The list in which pictures, films or DICOM files of that ending are; None for others."""
        if suffix in PICTURE_SUFFIXES:
            return self.pictures
        if suffix in FILM_SUFFIXES:
            return self.videos
        return self.dicoms if suffix in DICOM_SUFFIXES else None

    @property
    def advice(self) -> str:
        """What to do with an archive, an array or a spreadsheet; "" where there is none."""
        if self.archives:
            name = PurePosixPath(self.archives[0]).name
            return f" ({name} is an archive: unpack it, and register the folder that comes of it)"
        if self.arrays:
            name = PurePosixPath(self.arrays[0]).name
            return f" ({name} is an array of pictures: write each out as a file, with a table)"
        if not self.office:
            return ""
        return f" (is it {PurePosixPath(self.office[0]).name}? Save it as CSV UTF-8)"

    def media(self) -> dict[str, list[str]]:
        """By kind of medium."""
        return {"image": self.pictures, "video": self.videos, "dicom": self.dicoms}


def survey(path: Path) -> Survey:
    """Look through a folder; of a table or a file of conversations, through the one it lies in.

    Raises:
        InputError: there is no such path, or the folder is empty.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such folder or file")
    root = (path if path.is_dir() else path.parent).resolve()
    found = Survey(root=root, saved=any((root / name).is_file() for name in SAVED))
    for file in walk(root):
        relative = file.relative_to(root).as_posix()
        suffix = file.suffix.lower()
        if suffix in TABLE_SUFFIXES:
            found.tables.append(relative)
        elif suffix in OFFICE_SUFFIXES and not is_dicom(file):
            found.office.append(relative)
        elif suffix == SHARD:
            found.shards.append(relative)
        elif file.name.lower().endswith(ARRAY_ENDINGS):
            found.arrays.append(relative)
        elif file.name.lower().endswith(ARCHIVE_ENDINGS):
            found.archives.append(relative)
        elif suffix in PICTURE_SUFFIXES:
            found.pictures.append(relative)
        elif suffix in FILM_SUFFIXES:
            found.videos.append(relative)
        elif suffix in TRANSCRIPT_SUFFIXES:
            found.transcripts.append(relative)
        elif is_dicom(file):
            found.dicoms.append(relative)
    if path.is_file() and path.suffix.lower() == SHARD:
        found.shards[:] = [path.name]
    if path.is_file():
        found.tables[:] = [path.name] if path.suffix.lower() in TABLE_SUFFIXES else []
    # The table of a folder lies at its top more often than below; of equals, the larger one.
    found.tables.sort(key=lambda one: (one.count("/"), -(root / one).stat().st_size))
    if not any([found.tables, found.shards, found.saved, *found.media().values()]):
        raise InputError(
            f"{path}: holds no table ({', '.join(TABLE_SUFFIXES)}), picture, film, DICOM "
            f"file or shard{found.advice}"
        )
    return found


def read_as_found(path: Path) -> tuple[list[Row], str]:
    """The rows of a table that nobody has described, and the encoding in which it could be read.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return read_table(path), UTF8
    except WrongEncoding as error:
        encoding = guess_encoding(path)
        if encoding is None:
            raise
        try:
            return read_table(path, encoding=encoding), encoding
        except DataError:
            raise error from None


def guess_encoding(path: Path) -> str | None:
    """The encoding in which a text that is not UTF-8 reads best; None where none does."""
    # Imported here: it brings tables of the world's languages.
    from charset_normalizer import from_bytes

    with path.open("rb") as file:
        content = file.read(_GUESSED_BYTES)
    best = from_bytes(content).best()
    if best is not None and not _is_latin(best.alphabets):
        # How usual letters are is known of alphabets only.
        ideographs = any(name.startswith(IDEOGRAPHS) for name in best.alphabets)
        return best.encoding if best.coherence > 0 or ideographs else None
    # Western code pages differ in few letters; the one that most programs write, where it fits.
    western = from_bytes(content, cp_isolation=[OTHER_ENCODING]).best()
    return None if western is None else OTHER_ENCODING


def _is_latin(alphabets: list[str]) -> bool:
    """Whether a text's letters are those of Western and Central European languages."""
    common = ("Latin", "Punctuation", "Symbol", "Control")
    return all(any(part in name for part in common) for name in alphabets)


def upcast(found: Survey) -> Survey:
    """The folder above, where a table names its files as seen from there.

    A table in ``pack/table.csv`` may say ``pack/images/1.png``, and one in ``pack/questions/``
    may say ``images/1.png``. Nothing else of that folder is looked at.
    """
    inside = {path for paths in found.media().values() for path in paths}
    prefix = f"{found.root.name}/"
    for name in found.tables[:_TRIED_TABLES]:
        try:
            rows, _ = read_as_found(found.root / name)
        except DataError:
            continue  # of several tables, one that cannot be read may be something else
        for column in list(rows[0]):
            values = [row[column] for row in rows[:_SAMPLED_VALUES] if row.get(column)]
            there = sum(v.startswith(prefix) and v[len(prefix) :] in inside for v in values)
            if values and there >= ENOUGH * len(values):
                return _survey_with_prefix(found, prefix)
            if (above := _named_from_above(found, name, rows, values, column)) is not None:
                return above
    return found


def _named_from_above(
    found: Survey, table: str, rows: Sequence[Row], values: Sequence[str], column: str
) -> Survey | None:
    """The table as seen from a folder above in which most values of a column are files."""
    likely = [v for v in values if "/" in v and not v.startswith("/") and ".." not in v]
    if not likely or len(likely) < ENOUGH * len(values):
        return None
    if sum((found.root / v).is_file() for v in likely) >= ENOUGH * len(values):
        return None  # they lie where they should
    for folder in list((found.root / table).parents)[1 : 1 + _LEVELS_ABOVE]:
        if sum((folder / v).is_file() for v in likely) < ENOUGH * len(values):
            continue
        above = Survey(root=folder, tables=[(found.root / table).relative_to(folder).as_posix()])
        for value in dict.fromkeys(row.get(column, "") for row in rows):
            matching = above.of_suffix(PurePosixPath(value).suffix.lower())
            if matching is not None and (folder / value).is_file():
                matching.append(value)
        return above
    return None


def _survey_with_prefix(found: Survey, prefix: str) -> Survey:
    def moved(paths: list[str]) -> list[str]:
        return [prefix + path for path in paths]

    return Survey(
        root=found.root.parent,
        folder=found.root.name,
        tables=moved(found.tables),
        office=moved(found.office),
        pictures=moved(found.pictures),
        videos=moved(found.videos),
        transcripts=moved(found.transcripts),
        dicoms=moved(found.dicoms),
    )


@dataclass(frozen=True, kw_only=True)
class Match:
    """How a column's values become paths."""

    kind: str
    before: str
    """What stands before the value: folders."""
    after: str
    """What stands after it: an ending."""
    share: float
    """Of the values that become files."""
    rewritten: bool = False
    """Whether values are read otherwise than they are written: backslashes, absolute paths."""

    def template(self, column: str) -> str:
        return f"{as_literal(self.before)}{{{column}}}{as_literal(self.after)}"


def match_files(
    values: Iterable[str], media: dict[str, list[str]], *, root: Path | None = None
) -> Match | None:
    """The commonest way in which ``values`` are media files, if enough of them are.

    A value may be a path or a name, with or without its ending; the file may lie deeper. Where
    values are none as they are written, they are tried with slashes for backslashes, and without
    ``root`` before them.
    """
    sampled = [value for value in dict.fromkeys(values) if value][:_SAMPLED_VALUES]
    found = _match(sampled, media)
    if found is not None or not sampled:
        return found
    base = "" if root is None else f"{root.as_posix()}/"
    read = [value.replace("\\", "/").removeprefix(base) for value in sampled]
    found = _match([PurePosixPath(value).as_posix() for value in read], media)
    return None if found is None else replace(found, rewritten=read != sampled)


def _match(sampled: Sequence[str], media: dict[str, list[str]]) -> Match | None:
    ends: defaultdict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for kind, paths in media.items():
        for path in paths:
            pure = PurePosixPath(path)
            for name, after in ((pure.name, ""), (pure.stem, pure.suffix)):
                ends[name].append((kind, path, after))
    ways: Counter[tuple[str, str, str]] = Counter()
    for value in sampled:
        found = set()
        for kind, path, after in ends.get(PurePosixPath(value).name, []):
            whole = value + after
            if path == whole or path.endswith("/" + whole):
                found.add((kind, path[: len(path) - len(whole)], after))
        ways.update(found)
    if not ways:
        return None
    (kind, before, after), hits = max(ways.items(), key=lambda item: (item[1], item[0]))
    share = hits / len(sampled)
    if share < ENOUGH:
        return None
    return Match(kind=kind, before=before, after=after, share=share)
