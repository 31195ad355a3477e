"""Usage reports of libraries to their makers: off, before any of the libraries is imported.

Most libraries read these variables once, when they are imported, and some (ONNX Runtime) send from
native code that nothing in Python could stop. So they are set when transferlab is imported, which
also passes them on to every process that it starts.
"""

from __future__ import annotations

import os

SWITCHES = {
    # Of all who follow the common conventions; MLflow accepts no other word than "true".
    "DO_NOT_TRACK": "true",
    "DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    # Once a model of the hub is loaded, transformers would ask a service there to convert it.
    "DISABLE_SAFETENSORS_CONVERSION": "1",
    "WANDB_ERROR_REPORTING": "false",
    "POSTHOG_DISABLED": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "RAY_USAGE_STATS_ENABLED": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}
"""Variables of the environment by which libraries that may be loaded beside transferlab, by itself
or by somebody's plugin, are told to send nothing."""


def disable_telemetry() -> None:
    """Set every switch that the user has not set to something else."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
