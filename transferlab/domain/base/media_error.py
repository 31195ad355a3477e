"""The error of a medium that cannot be used."""

from pathlib import Path

from transferlab.errors import DataError


class UnreadableMedium(DataError):
    """A file that is missing, broken or empty.

    ``reason`` leaves the path out, because a quarantine report must not repeat file names: in a
    hospital they can hold a patient's name.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason
