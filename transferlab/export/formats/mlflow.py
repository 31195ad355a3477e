"""Write a model that plain ``mlflow.pyfunc`` loads, asks about pictures, and serves."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.pyfunc
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType, Array, Map

import transferlab
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.files import write_text
from transferlab.errors import ModelError
from transferlab.export.exporter import Exporter, ExportRecord, TunedModel
from transferlab.export.formats.merged import MergedExporter, write_whole
from transferlab.export.usage import COLUMN
from transferlab.export.writing import CARD, write_proven

MLMODEL, WHOLE = "MLmodel", "model"
_CODE = """\
import mlflow

from transferlab.pipeline.use.pyfunc import MultimodalModel

mlflow.models.set_model(MultimodalModel())
"""
"""MLflow runs this file; the other way, a pickle of the object, nobody should have to trust."""
REQUIREMENTS = (
    "accelerate", "av", "cachetools", "charset-normalizer", "filelock", "imagecodecs", "imagehash",
    "jinja2", "monai", "numpy", "pandas", "peft", "pillow", "pydantic", "pydicom", "pyjpegls",
    "pylibjpeg", "pylibjpeg-openjpeg", "python-gdcm", "pyyaml", "safetensors", "scipy", "torch",
    "torchvision", "transformers",
)  # fmt: skip
"""What answering needs; training and tracking need more."""
_LOAD = "import sys, mlflow; mlflow.pyfunc.load_model(sys.argv[1])"


class MlflowExporter(Exporter):
    """The whole model, its code and its pinned requirements as an MLflow model."""

    name = "mlflow"
    consumes = True

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        yield from MergedExporter().misfits(config)

    def export(self, model: TunedModel, folder: Path) -> ExportRecord:
        def save(folder: Path) -> None:
            with tempfile.TemporaryDirectory(dir=folder.parent) as parts:
                _save(model, folder, Path(parts), kind=self.name)
            write_text(folder / CARD, model.card(self.name))

        def compare(folder: Path) -> float:
            _load_elsewhere(folder)
            return model.whole_difference(folder / "artifacts" / WHOLE)

        return write_proven(
            save,
            compare,
            kind=self.name,
            noun="MLflow model",
            needed=(MLMODEL,),
            folder=folder,
            tolerance=model.merged_tolerance,
        )


def _save(model: TunedModel, folder: Path, parts: Path, *, kind: str) -> None:
    parts = parts.resolve()
    whole, code, script = parts / WHOLE, parts / "transferlab", parts / "multimodal.py"
    whole.mkdir()
    write_whole(model, whole, kind=kind)
    package = Path(transferlab.__file__).parent
    shutil.copytree(package, code, ignore=shutil.ignore_patterns("assets", "__pycache__"))
    write_text(script, _CODE)
    with _without_bars():
        mlflow.pyfunc.save_model(
            path=folder,
            python_model=str(script),
            artifacts={WHOLE: str(whole)},
            code_paths=[str(code)],
            signature=_signature(model.prompts),
            pip_requirements=[f"{name}=={_public(version(name))}" for name in _pinned()],
            metadata={"transferlab": transferlab.__version__},
        )
    described = folder / MLMODEL
    # Where the parts lay on this machine is nobody's business, and they are there no longer.
    write_text(described, described.read_text("utf-8").replace(f"{parts}/", ""))


def _signature(prompts: Mapping[str, Any]) -> ModelSignature:
    """The columns that ``predict`` takes, those that prompts ask for among them, and what it gives.

    MLflow leaves out columns that are not named here.
    """
    texts = ["path", "task", "domain", "prompt"]
    asked = (one["prompt"] for tasks in prompts.values() for one in tasks.values())
    texts += [name for template in asked for name in COLUMN.findall(template)]
    return ModelSignature(
        inputs=Schema([
            ColSpec(AnyType(), "medium", required=False),
            ColSpec(Array(DataType.string), "choices", required=False),
            *(ColSpec(DataType.string, name, required=False) for name in dict.fromkeys(texts)),
        ]),
        outputs=Schema([
            ColSpec(DataType.string, "answer"),
            ColSpec(Map(DataType.double), "probabilities"),
            ColSpec(DataType.string, "reason"),
        ]),
        params=ParamSchema([
            ParamSpec("max_new_tokens", DataType.long, 48),
            ParamSpec("batch_samples", DataType.long, 8),
        ]),
    )  # fmt: skip


@contextmanager
def _without_bars() -> Iterator[None]:
    """MLflow copies files, and draws a bar for each folder."""
    bars = MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
    before = bars.get_raw()
    bars.set(False)
    try:
        yield
    finally:
        bars.unset() if before is None else bars.set(before)


def _pinned() -> tuple[str, ...]:
    return ("mlflow", *REQUIREMENTS)


def _public(found: str) -> str:
    """A version without what a builder has added to it, which no registry has."""
    return found.partition("+")[0]


def _load_elsewhere(folder: Path) -> None:
    """Load it with plain MLflow in a fresh process.

    Raises:
        ModelError: it cannot be loaded.
    """
    command = [sys.executable, "-c", _LOAD, str(folder.resolve())]
    done: Any = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ModelError(f"{folder}: MLflow cannot load the model ({last[:300]})")
