"""What every section of a YAML file has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
"""A pipeline's or domain's name: it becomes part of paths and of MLflow's names."""
MAX_SEED = 2**32 - 1
"""The largest that NumPy's generators take."""


class Section(BaseModel):
    """Frozen, and with no unknown key."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )
