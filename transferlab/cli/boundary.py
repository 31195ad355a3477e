"""The one place where an exception becomes a sentence and an exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer

from transferlab.cli.options import Session
from transferlab.cli.output.terminal import complain, safe_messages, show_traceback
from transferlab.core.files import advice, is_full, machine_error, why
from transferlab.core.peak_memory import is_out_of_memory
from transferlab.errors import (
    EnvironmentProblem,
    InputError,
    TransferlabError,
    TransferlabWarning,
)

INTERRUPTED = 130
BROKEN_PIPE = 141
"""128 + SIGPIPE: what shells report for a program whose reader went away."""
UNEXPECTED = 1

# Typer lost, and its own copy of click hides, the name of this class; its child is public.
_UsageError: type[Any] = typer.BadParameter.__mro__[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments without the program's name; None takes the process's own.

    Returns:
        The exit code: 0 done, 1 unexpected, 2 input, 3 data, 4 model, 5 environment,
        130 interrupted.
    """
    from transferlab.cli.app import app

    session = Session()
    _treat_termination_as_interruption()
    try:
        # Not command.main(): it turns interruptions and closed pipes into exits of its own.
        command = typer.main.get_command(app)
        arguments = list(sys.argv[1:] if argv is None else argv)
        with (
            safe_messages(),
            _library_warnings(shown="--debug" in arguments),
            command.make_context("transferlab", arguments, obj=session) as context,
        ):
            command.invoke(context)
        sys.stdout.flush()
        return 0
    # Broad, as here every error, and an interruption, becomes a sentence and a code.
    except BaseException as error:  # noqa: BLE001
        return _report(error, session)


@contextmanager
def _library_warnings(*, shown: bool) -> Iterator[None]:
    """Show the warnings of transferlab alone: users cannot mend what libraries say of others."""
    with warnings.catch_warnings():
        if not shown:
            warnings.simplefilter("ignore")
            warnings.filterwarnings("default", category=TransferlabWarning)
            os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
            # It speaks of a home that it may not write to, and needs nothing there.
            logging.getLogger("matplotlib").setLevel(logging.ERROR)
        yield


def _report(error: BaseException, session: Session) -> int:
    """Say on stderr what happened; returns the exit code."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # The interpreter flushes stdout once more at exit; let it flush into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    if session.debug:
        show_traceback(error)
    known = _as_ours(error)
    if known is not None:
        # What the machine lacked can be there in a minute, and then the run goes on.
        goes_on = isinstance(known, EnvironmentProblem) and session.out is not None
        complain(f"{known}; go on with --out {session.out}" if goes_on else str(known))
        return known.exit_code
    if isinstance(error, KeyboardInterrupt):
        resume = f"; go on with --out {session.out}" if session.out else ""
        complain(f"interrupted{resume}")
        return INTERRUPTED
    first_line = str(error).strip().partition("\n")[0][:300]
    complain(
        f"unexpected {type(error).__name__}: {first_line}; this is a fault in transferlab or in a "
        "library it uses: --debug shows the traceback"
    )
    return UNEXPECTED


def _as_ours(error: BaseException) -> TransferlabError | None:
    """The error as one of ours, or None where it is not the user's to act on."""
    if isinstance(error, TransferlabError):
        return error
    if isinstance(error, _UsageError):
        where = error.ctx.command_path if error.ctx else "transferlab"
        return InputError(f"{error.format_message().rstrip('.')}; see `{where} --help`")
    number = machine_error(error)
    if number is not None and (isinstance(error, OSError) or is_full(number)):
        filename = getattr(error, "filename", None)
        reason = f"{filename}: {why(number)}" if filename else why(number)
        return EnvironmentProblem(f"{reason}; {advice(number)}, and give the same command again")
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return EnvironmentProblem(
            "the GPU's memory is used up; lower train.batch_samples or raise "
            "train.accumulation_steps, and evaluation.batch_samples"
        )
    if isinstance(error, MemoryError) or (torch is not None and is_out_of_memory(error)):
        return EnvironmentProblem("the memory is used up; lower train.batch_samples")
    return None


def _treat_termination_as_interruption() -> None:
    """A scheduler's SIGTERM ends a run as Ctrl-C does, so that its tracking is closed properly."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
