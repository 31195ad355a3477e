"""What a domain's own code, its ``domain.py``, makes of the rows of its source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

from transferlab.domain.base.rows import WHERE, BadItem, Row
from transferlab.domain.catalog import ROWS_FILE, DomainEntry
from transferlab.domain.rows.code_trust import read_trusted_code
from transferlab.errors import DataError, TransferlabError


def apply_row_hook(
    entry: DomainEntry, items: Iterable[Row | BadItem], root: Path
) -> Iterator[Row | BadItem]:
    """What the domain's own ``rows(rows, root)`` makes of the rows, one after another.

    Raises:
        DataError: the user has not trusted the code, it cannot be imported, defines no such
            function, or what it does fails.
    """
    file = entry.folder / ROWS_FILE
    transform = _rows_function(file, read_trusted_code(entry))
    unread: list[BadItem] = []

    def readable() -> Iterator[Row]:
        for item in items:
            if isinstance(item, BadItem):
                unread.append(item)
            else:
                yield item

    number = 0
    try:
        for number, row in enumerate(transform(readable(), root), start=1):
            odd = [key for key, value in row.items() if not isinstance(value, str)]
            if odd:
                raise DataError(f"{file}: rows() gave column '{odd[0]}' a value that is not text")
            row.setdefault(WHERE, f"{file.name} row {number}")
            yield row
    except TransferlabError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, OSError) as error:
        inner = error.__traceback__ and error.__traceback__.tb_next
        line = inner.tb_lineno if inner else 0
        raise DataError(
            f"{file} line {line}: rows() failed with {type(error).__name__}; "
            "run with --debug to see why"
        ) from error
    yield from unread
    if not number:
        raise DataError(f"{file}: rows() returned no rows")


def _rows_function(file: Path, code: bytes) -> Callable[[Iterable[Row], Path], Iterable[Row]]:
    module = _module(file, code)
    transform = getattr(module, "rows", None)
    if not callable(transform):
        raise DataError(f"{file}: defines no function rows(rows, root)")
    return transform


def _module(file: Path, code: bytes) -> ModuleType:
    """The domain's own code, which runs only for a domain that is being loaded.

    The bytes that were trusted are those that run: an import would read the file again, or take
    whatever lies in __pycache__ for it.
    """
    module = ModuleType(f"transferlab_domain_{file.parent.name.replace('-', '_')}")
    module.__file__ = str(file)
    try:
        exec(compile(code, file, "exec"), module.__dict__)  # noqa: S102 -- the user's own word
    except (SyntaxError, ValueError, ImportError) as error:
        raise DataError(f"{file}: cannot be imported ({error})") from error
    return module
