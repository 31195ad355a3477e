"""``transferlab pipelines``."""

import json

from transferlab.config.gallery import shipped_pipelines


def test_every_shipped_pipeline_is_listed_with_its_question(command):
    done = command("pipelines", "list", "--json")
    assert (done.code, done.err) == (0, "")
    listed = {one["name"]: one for one in json.loads(done.out)}
    assert set(listed) == set(shipped_pipelines())
    assert listed["smoke"]["stream"] == ["chest-xray", "lectures"]
    assert listed["smoke"]["memory"].endswith("GiB")
    assert listed["pretrain-tiny"]["command"] == "transferlab pretrain pretrain-tiny --out DIR"
    assert listed["study-quantity"]["command"] == "transferlab study study-quantity"
    assert listed["study-quantity"]["varies"] == ["data.max_train_samples", "seed"]
    table = command("pipelines", "list").out
    assert [name for name in listed if name not in table] == []
    assert "not measured" in table


def test_one_is_shown_with_its_yaml(command):
    done = command("pipelines", "show", "radiology")
    assert done.code == 0
    text = shipped_pipelines()["radiology"].read_text("utf-8")
    assert done.out.rstrip().endswith(text.rstrip())
    assert "transferlab run radiology" in done.out
    assert json.loads(command("pipelines", "show", "radiology", "--json").out)["yaml"] == text


def test_a_copy_can_be_validated_and_is_not_written_over(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command("pipelines", "copy", "smoke", "mine.yaml")
    assert done.code == 0
    assert done.out == "written: mine.yaml; when it is edited: `transferlab run mine.yaml`\n"
    assert command("validate", "mine.yaml").code == 0
    again = command("pipelines", "copy", "smoke", "mine.yaml")
    assert (again.code, "is there already" in again.err) == (2, True)


def test_an_unknown_name_is_met_with_the_nearest(command):
    done = command("pipelines", "show", "smok")
    assert (done.code, "Did you mean 'smoke'?" in done.err) == (2, True)
