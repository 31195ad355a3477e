"""Files of a run: texts, JSON, YAML and figures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from transferlab.tracking.connection import Connection

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Artifacts:
    """The files of one run. Every method raises EnvironmentProblem when they cannot be kept."""

    def __init__(self, connection: Connection, run_id: str) -> None:
        self._connection, self._run_id = connection, run_id

    def log_text(self, name: str, text: str) -> None:
        self._connection.ask(
            f"keep the artifact {name}", lambda client: client.log_text(self._run_id, text, name)
        )

    def log_json(self, name: str, content: Any) -> None:
        """``content`` as indented JSON; NaN and the infinities, which JSON lacks, become null."""
        self.log_text(name, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")

    def log_yaml(self, name: str, content: Mapping[str, Any]) -> None:
        self._connection.ask(
            f"keep the artifact {name}",
            lambda client: client.log_dict(self._run_id, dict(content), name),
        )

    def log_figure(self, name: str, figure: Figure) -> None:
        style = {"dpi": 150, "bbox_inches": "tight"}
        self._connection.ask(
            f"keep the artifact {name}",
            lambda client: client.log_figure(self._run_id, figure, name, save_kwargs=style),
        )


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
