"""What the libraries say on their own while they load: the command line has words of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.utils import logging as hub_logging
from transformers.utils import logging


@contextmanager
def suppress_progress_bars() -> Iterator[None]:
    """Those of transformers, for a while; afterwards they are as they were."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def suppress_retry_messages() -> Iterator[None]:
    """The Hub's client tells of each attempt to reach it; what it raises in the end says enough."""
    level = hub_logging.get_verbosity()
    hub_logging.set_verbosity_error()
    try:
        yield
    finally:
        hub_logging.set_verbosity(level)
