"""Optional libraries: imported where they are used, with a sentence where they are missing."""

from importlib import import_module
from types import ModuleType

from transferlab.errors import MissingExtra


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional library, or say which extra brings it and why it was wanted.

    Raises:
        MissingExtra: the library is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # the library is there; something inside it is broken
        command = f"pip install 'transferlab[{extra}]'"
        raise MissingExtra(f"{purpose} needs '{module}': {command}") from error
