"""The embedded backbone ``transferlab/tiny``: how it is built, and where its weights lie."""

from importlib import resources
from pathlib import Path


def assets() -> Path:
    """The folder that ``from_pretrained`` takes: config, weights, tokenizer and processor."""
    return Path(str(resources.files("transferlab.tiny") / "assets"))
