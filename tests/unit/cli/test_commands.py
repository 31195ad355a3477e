"""What the commands pass on, write and print when nothing is wrong."""

import json
import sys
from types import ModuleType

import pytest

from transferlab.core.events import StageFinished, StageStarted


@pytest.fixture
def pipeline_modules(monkeypatch, result):
    """Stand-ins for the units that load torch; the calls that they got."""
    calls = []

    def run(config, out, *, listener, domains):
        calls.append((config, out, domains))
        listener(StageStarted(stage="scoring", total_steps=0))
        listener(StageFinished(stage="scoring", seconds=1.0))
        return result

    def export_result(folder, to, **asked):
        calls.append((folder, to, asked))
        return [folder / "adapter"]

    for name, function in {"run": run, "exports.of_result": export_result}.items():
        module = ModuleType(f"transferlab.pipeline.{name}")
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


def test_a_run_gets_the_changed_pipeline_and_shows_its_result(
    command, pipeline_modules, domain_folder, pipeline_file, tmp_path
):
    out = tmp_path / "out"
    done = command(
        *("run", pipeline_file, "--out", out, "--domains", domain_folder),
        *("--set", "train.epochs=7", "--set", "strategy.ewc.strength=3"),
    )
    assert (done.code, done.err) == (0, "")
    config, folder, domains = pipeline_modules[0]
    assert (folder, domains) == (out, [domain_folder])
    assert config.train.epochs == 7
    assert config.strategy[0].options == {"strength": 3}
    lines = done.out.splitlines()
    assert lines[0] == f"pipeline animals ({pipeline_file}), output in {out}"
    assert lines[1:3] == ["scoring: started", "scoring: done in 1.0 s"]
    assert f"result  {out}/result.json" in lines


def test_without_out_every_run_gets_a_folder_of_its_own(
    command, pipeline_modules, domain_folder, pipeline_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        assert command("run", pipeline_file, "--domains", domain_folder).code == 0
    folders = {str(out) for _, out, _ in pipeline_modules}
    assert len(folders) == 3
    assert all(folder.startswith("runs/animals-") for folder in folders)


def test_overwriting_leaves_the_old_result_until_the_pipeline_is_built(
    command, pipeline_modules, domain_folder, pipeline_file, tmp_path
):
    out = tmp_path / "old"
    out.mkdir()
    (out / "result.json").write_text('"old"')
    arguments = ("run", pipeline_file, "--domains", domain_folder, "--out", out, "--overwrite")
    assert command(*arguments).code == 0
    assert (out / "result.json").read_text() == '"old"'


def test_a_folder_of_an_unfinished_run_is_taken_up_again(
    command, pipeline_modules, domain_folder, pipeline_file, tmp_path
):
    (tmp_path / "half" / "stages").mkdir(parents=True)
    arguments = ("run", pipeline_file, "--domains", domain_folder, "--out", tmp_path / "half")
    assert command(*arguments).code == 0
    assert pipeline_modules[0][1] == tmp_path / "half"


def test_an_interrupted_run_says_how_to_go_on(
    command, pipeline_modules, domain_folder, pipeline_file, tmp_path, monkeypatch
):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["transferlab.pipeline.run"], "run", interrupt)
    out = tmp_path / "out"
    done = command("run", pipeline_file, "--domains", domain_folder, "--out", out)
    assert (done.code, done.err) == (130, f"transferlab: interrupted; go on with --out {out}\n")


def test_validate_says_that_a_pipeline_is_sound(command, domain_folder, pipeline_file):
    done = command("validate", pipeline_file, "--domains", domain_folder)
    assert done.code == 0
    assert done.out == f"{pipeline_file}: sound (2 domain(s): cats, dogs)\n"


def test_validate_prints_the_schema(command):
    done = command("validate", "--schema")
    assert done.code == 0
    assert json.loads(done.out)["properties"]["stream"]["type"] == "array"


def test_domains_are_listed_and_shown(command, domain_folder):
    listed = command("domains", "list", "--domains", domain_folder)
    assert listed.code == 0
    assert {"cats", "dogs"} <= {line.split()[0] for line in listed.out.splitlines() if line.strip()}
    shown = command("domains", "show", "cats", "--domains", domain_folder)
    assert "Pictures of cats" in shown.out
    assert "animal (never on two sides of a split)" in shown.out
    # The prompt's media slot is no markup.
    assert "<image>" in shown.out


def test_domains_speak_json(command, domain_folder):
    listed = command("domains", "list", "--domains", domain_folder, "--json")
    mine = {one["name"]: one for one in json.loads(listed.out)}["cats"]
    assert (mine["tasks"], mine["licence"], mine["version"]) == (["breed"], "CC0-1.0", 1)
    shown = command("domains", "show", "cats", "--domains", domain_folder, "--json")
    content = json.loads(shown.out)
    assert content["group"] == "animal"
    assert content["folder"] == str(domain_folder / "cats")


def test_a_row_of_a_message_leads_to_its_file(command, domain_folder):
    folder = domain_folder / "cats"
    (folder / "metadata.csv").write_text("id,f,animal,breed\n1,one.png,tom,grey\n", "utf-8")
    shown = command("domains", "show", "cats", "--domains", domain_folder, "--row")
    assert shown.code == 2
    call = ("domains", "show", "cats", "--domains", domain_folder, "--row", "metadata.csv row 2")
    assert command(*call).out.strip() == str(folder / "one.png")
    assert json.loads(command(*call, "--json").out)["files"] == [str(folder / "one.png")]
    wrong = command(*call[:-1], "metadata.csv row 9")
    assert wrong.code == 2
    assert "has nothing called 'metadata.csv row 9'" in wrong.err


def test_several_exports_into_one_place_keep_apart(command, pipeline_modules, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text("{}")
    done = command("export", tmp_path / "a", tmp_path / "b", "--to", tmp_path / "to")
    assert done.code == 0
    assert [call[:2] for call in pipeline_modules] == [
        (tmp_path / "a", tmp_path / "to" / "a"),
        (tmp_path / "b", tmp_path / "to" / "b"),
    ]
    assert done.out.splitlines() == [f"{tmp_path}/a/adapter", f"{tmp_path}/b/adapter"]


def test_exports_that_would_be_written_over_each_other_are_refused(
    command, pipeline_modules, tmp_path
):
    for name in ("a", "b"):
        (tmp_path / name / "out").mkdir(parents=True)
        (tmp_path / name / "out" / "result.json").write_text("{}")
    folders = tmp_path / "a" / "out", tmp_path / "b" / "out"
    done = command("export", *folders, "--to", tmp_path / "to")
    assert done.code == 2
    assert "have the same name" in done.err
    assert pipeline_modules == []


@pytest.mark.parametrize("arguments", [[], ["domains"], ["--help"], ["run", "--help"]])
def test_help_is_help(command, arguments):
    done = command(*arguments)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Usage: transferlab")


def test_the_version_is_said(command):
    from transferlab import __version__

    assert command("--version").out == f"transferlab {__version__}\n"


def test_a_domain_that_sounds_is_refused_as_no_backbone_listens(
    command, pipeline_file, domain_folder
):
    cats = domain_folder / "cats" / "domain.yaml"
    film = "{clip: {kind: video, path: '{f}', sound: true}}"
    text = cats.read_text().replace("{image: {kind: image, path: '{f}'}}", film)
    cats.write_text(text.replace("<image>", "<clip>"))
    done = command("validate", pipeline_file, "--domains", domain_folder)
    assert done.code == 2
    assert "domain 'cats': source.media.clip.sound: the embedded backbone does not" in done.err
    cats.write_text(cats.read_text().replace("kind: video", "kind: image"))
    done = command("validate", pipeline_file, "--domains", domain_folder)
    assert "sound: only with kind 'video'" in done.err
