"""An export that fails loses nothing of the result, and a run may be exported again."""

import json
from pathlib import Path

import pytest

from transferlab.backbone.reload import Probe
from transferlab.config.pipeline import PipelineConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.core.events import ignore
from transferlab.errors import ModelError
from transferlab.pipeline.exports.of_result import export_result
from transferlab.pipeline.run import run

SMOKE = Path(__file__).parents[2] / "pipelines" / "smoke.yaml"

pytestmark = pytest.mark.integration


def test_a_failed_export_leaves_the_result_and_says_why(tmp_path, monkeypatch):
    overrides = [
        f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", f"tracking.artifacts={tmp_path}/artifacts",
        "arms=[zero_shot]", "train.max_steps=1", "evaluation.max_test_samples=6",
    ]  # fmt: skip
    config, out = load_yaml(SMOKE, PipelineConfig, overrides=overrides), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Probe, "adapter_difference", lambda *_: 7.0)
        with pytest.raises(ModelError) as caught:
            run(config, out, listener=ignore)
    result = json.loads((out / "result.json").read_text("utf-8"))
    (failed,) = result["exports"]
    assert (failed["status"], failed["reason"]) == ("failed", str(caught.value))
    assert result["summary"]["acc"]["value"] is not None
    assert not (out / failed["path"]).exists()
    artifacts = [json.loads(f.read_text("utf-8")) for f in tmp_path.rglob("artifacts/result.json")]
    assert [one["exports"] for one in artifacts] == [result["exports"]]
    export_result(out, None)
    (made,) = json.loads((out / "result.json").read_text("utf-8"))["exports"]
    assert made["status"] == "done"
    assert (out / made["path"] / "adapter_model.safetensors").is_file()


def test_each_domains_adapter_of_a_routed_run_is_exported_by_its_name(tmp_path):
    overrides = [
        f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", f"tracking.artifacts={tmp_path}/artifacts",
        "arms=[zero_shot]", "train.max_steps=1", "evaluation.max_test_samples=6", "export=[]",
        "strategy=[per_domain]",
    ]  # fmt: skip
    config, out = load_yaml(SMOKE, PipelineConfig, overrides=overrides), tmp_path / "out"
    run(config, out, listener=ignore)
    written = export_result(out, None)
    assert [one.name for one in written] == [f"adapter-{name}" for name in config.stream]
    exports = json.loads((out / "result.json").read_text("utf-8"))["exports"]
    assert [one["status"] for one in exports] == ["done"] * len(config.stream)
    for name, folder in zip(config.stream, written, strict=True):
        assert f"This is the adapter of {name}, and not what was scored." in (
            folder / "README.md"
        ).read_text("utf-8")
    weights = {(one / "adapter_model.safetensors").read_bytes() for one in written}
    assert len(weights) == len(written)
