"""The training curve of one stage, on disk, so that a later process can send it whole."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from transferlab.core.files import replace_file, report_disk_errors


@dataclass(frozen=True, kw_only=True)
class Point:
    """The metrics of one optimizer step."""

    step: int
    """From 1."""
    milliseconds: int
    """When it was measured, since 1970."""
    values: Mapping[str, float]


class Curve:
    """A file of points, one a line, in the order in which they were measured.

    A training that goes on from a checkpoint takes some steps again: then the points of these steps
    are the new ones.
    """

    def __init__(self, path: Path) -> None:
        """
        Args:
            path: named after what decides the numbers of the stage, so that those of another
                training are never taken for its own.
        """
        self._path = path
        self._begun = False

    @property
    def begun(self) -> bool:
        """Whether this process has measured a point of it."""
        return self._begun

    def points(self) -> Iterator[Point]:
        """What is on disk; the line that a kill cut off, and what is after it, is left out."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                point = _parse(line)
                if point is None:
                    return
                yield point

    def begin(self, step: int) -> list[Point]:
        """Say that training goes on at ``step``; later points of an earlier process are dropped.

        Returns:
            The points before it.

        Raises:
            EnvironmentProblem: the file cannot be written.
        """
        earlier = [point for point in self.points() if point.step < step]
        with replace_file(self._path) as partial:
            partial.write_bytes(b"".join(map(_line, earlier)))
        self._begun = True
        return earlier

    def add(self, step: int, values: Mapping[str, float]) -> Point:
        """Keep the point of now.

        Raises:
            EnvironmentProblem: the file cannot be written.
        """
        point = Point(step=step, milliseconds=int(time.time() * 1000), values=dict(values))
        with report_disk_errors(self._path), self._path.open("ab") as file:
            file.write(_line(point))
        return point


def _line(point: Point) -> bytes:
    return json.dumps([point.step, point.milliseconds, dict(point.values)]).encode() + b"\n"


def _parse(line: bytes) -> Point | None:
    try:
        step, milliseconds, values = json.loads(line)
        return Point(step=int(step), milliseconds=int(milliseconds), values=dict(values))
    except (ValueError, TypeError):
        return None
