"""What a domain's own code, its ``domain.py``, makes of the rows of its source."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

from transferlab.domain.base.rows import WHERE, BadItem, Row
from transferlab.errors import DataError, TransferlabError


def apply_row_hook(
    file: Path, items: Iterable[Row | BadItem], root: Path
) -> Iterator[Row | BadItem]:
    """What the domain's own ``rows(rows, root)`` makes of the rows, one after another.

    Raises:
        DataError: the file cannot be imported, defines no such function, or what it does fails.
    """
    transform = _rows_function(file)
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


def _rows_function(file: Path) -> Callable[[Iterable[Row], Path], Iterable[Row]]:
    module = _module(file)
    transform = getattr(module, "rows", None)
    if not callable(transform):
        raise DataError(f"{file}: defines no function rows(rows, root)")
    return transform


def _module(file: Path) -> ModuleType:
    """The domain's own code, which runs only for a domain that is being loaded."""
    name = f"transferlab_domain_{file.parent.name.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise DataError(f"{file}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError) as error:
        raise DataError(f"{file}: cannot be imported ({error})") from error
    return module
