"""Adapt a pretrained multimodal LLM to domain after domain and measure what was transferred."""

from typing import TYPE_CHECKING, Any

from transferlab.core.telemetry import disable_telemetry

if TYPE_CHECKING:
    from transferlab.api import (
        RegisteredDomain,
        RunResult,
        load_domain,
        load_result,
        register_domain,
        run,
    )

__version__ = "0.1.0"

disable_telemetry()

__all__ = [
    "RegisteredDomain",
    "RunResult",
    "load_domain",
    "load_result",
    "register_domain",
    "run",
]


def __getattr__(name: str) -> Any:
    # Imported when first used: `import transferlab` takes no time and brings no torch.
    if name in __all__:
        from transferlab import api

        return getattr(api, name)
    raise AttributeError(f"module 'transferlab' has no attribute '{name}'")
