"""Libraries are told to send nothing before they are imported, unless the user wants it."""

import json
import os
import subprocess
import sys

from transferlab.core.telemetry import SWITCHES


def environment_after_import(**given):
    bare = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    script = "import os, json, transferlab; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        [sys.executable, "-c", script], env=bare | given, capture_output=True, check=True
    )
    return json.loads(done.stdout)


def test_every_switch_is_set_by_the_import_alone():
    after = environment_after_import()
    assert {name: after.get(name) for name in SWITCHES} == SWITCHES
    assert {"ORT_DISABLE_TELEMETRY", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"} <= set(SWITCHES)


def test_what_the_user_has_set_stays():
    assert environment_after_import(MLFLOW_DISABLE_TELEMETRY="false")[
        "MLFLOW_DISABLE_TELEMETRY"
    ] == ("false")
