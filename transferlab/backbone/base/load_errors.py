"""What transformers, safetensors and the Hub raise while loading, in one sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError

from transferlab.backbone.base.library_messages import (
    suppress_progress_bars,
    suppress_retry_messages,
)
from transferlab.config.backbone import BackboneSection
from transferlab.core.files import is_full, machine_error, why
from transferlab.errors import EnvironmentProblem, MissingExtra, ModelError


@contextmanager
def translate_load_errors(section: BackboneSection) -> Iterator[None]:
    """Turn what the libraries raise while loading into one sentence each."""
    name = section.model
    try:
        with suppress_progress_bars(), suppress_retry_messages():
            yield
    except SafetensorError as error:
        raise ModelError(
            f"backbone '{name}': its safetensors file is broken ({error}); download it again"
        ) from error
    except ImportError as error:
        library = str(error).strip().splitlines()[0]
        if "timm" in library and find_spec("timm") is None:
            raise MissingExtra(
                f"backbone '{name}' has a vision tower of the library 'timm': "
                "pip install 'transferlab[timm]'"
            ) from error
        raise EnvironmentProblem(
            f"backbone '{name}' needs a library that is not installed: {library}"
        ) from error
    except OSError as error:
        number = machine_error(error)
        if number is not None and is_full(number):
            raise EnvironmentProblem(
                f"backbone '{name}' cannot be kept on this machine ({why(number)}); make room, or "
                "name another folder in $HF_HOME"
            ) from error
        raise ModelError(_why_not_found(section, error)) from error
    except (ValueError, KeyError, RuntimeError) as error:
        raise ModelError(_why_unusable(section, error)) from error


def _why_not_found(section: BackboneSection, error: OSError) -> str:
    name = section.model
    causes = set(map(type, _chain(error)))
    if Path(name).is_dir():
        return f"backbone '{name}': {_first_sentence(error)}"
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        return f"backbone '{name}': there is no such folder; check backbone.model"
    if GatedRepoError in causes:
        return (
            f"backbone '{name}' is gated: accept its terms on its page and log in with "
            "'hf auth login'"
        )
    if RevisionNotFoundError in causes:
        return f"backbone '{name}' has no revision '{section.revision}'; check backbone.revision"
    if RepositoryNotFoundError in causes:
        return (
            f"backbone '{name}' does not exist on the Hugging Face Hub, or is private; check "
            "backbone.model, or log in with 'hf auth login'"
        )
    if causes & {OfflineModeIsEnabled, LocalEntryNotFoundError}:
        which = f"{name} --revision {section.revision}" if section.revision else name
        return (
            f"backbone '{name}' is not on this machine and the Hugging Face Hub cannot be reached; "
            f"download it where there is a network ('hf download {which}'), give a local folder, "
            "or use transferlab/tiny"
        )
    return f"backbone '{name}': {_first_sentence(error)}"


def _why_unusable(section: BackboneSection, error: Exception) -> str:
    name = section.model
    if "trust_remote_code" in str(error):
        return (
            f"backbone '{name}' runs code of its own; read that code, then set "
            "backbone.trust_remote_code: true"
        )
    return f"backbone '{name}' cannot be loaded by transformers: {_first_sentence(error)}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_sentence(error: Exception) -> str:
    """Of a message that may go on with advice that does not fit."""
    text = str(error).strip()
    return text.splitlines()[0].split(". ")[0].rstrip(".") if text else type(error).__name__
