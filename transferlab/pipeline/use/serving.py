"""A whole model behind transformers' own server: an OpenAI-compatible endpoint on this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from transferlab.errors import EnvironmentProblem, InputError, MissingExtra
from transferlab.pipeline.use.opening import NamedModel
from transferlab.tracking.ui import HOST, check_port, wait_for

NEEDED = ("fastapi", "openai", "uvicorn")
"""What transformers' server imports and does not bring."""


def serve(named: NamedModel, port: int, *, tell: Callable[[str], None]) -> int:
    """Serve a model until its server ends or this process is told to stop.

    Args:
        named: a whole model.
        port: on 127.0.0.1, from 1 to 65535.
        tell: says where it is, once its process has been started.

    Returns:
        The exit code: 0 when it was stopped by Ctrl-C or a termination signal.

    Raises:
        InputError: it is an adapter, or its code would have to be trusted.
        MissingExtra: the server's libraries are not installed.
        EnvironmentProblem: the port is taken, or transformers' command is missing.
    """
    if named.adapter is not None:
        raise InputError(
            f"{named.adapter}: is an adapter, and transformers' server takes whole models; write "
            "one with 'transferlab export' and --as merged"
        )
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"transformers' server needs {', '.join(missing)}: pip install 'transferlab[serving]'"
        )
    check_port(port)
    run = command(named, port)
    if not Path(run[0]).is_file():
        raise EnvironmentProblem(f"{run[0]}: transformers' command is not there; install it anew")
    process = subprocess.Popen(run, start_new_session=True)
    model = run[2]
    tell(f"{model}: http://{HOST}:{port}/v1 (OpenAI-compatible; Ctrl-C stops it)")
    tell("for research: not a medical device, and not for clinical use")
    return wait_for(process)


def command(named: NamedModel, port: int) -> list[str]:
    """What is run: on this machine alone, one model, loaded at once."""
    given = Path(named.section.model)
    model = str(given.resolve()) if given.is_dir() else named.section.model
    script = Path(sys.executable).with_name("transformers")
    return [
        *(str(script), "serve", model, "--host", HOST, "--port", str(port)),
        *("--device", named.section.device, "--dtype", named.section.dtype),
    ]
