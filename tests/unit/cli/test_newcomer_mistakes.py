"""What a newcomer gets wrong on the command line: one sentence and the right exit code."""

import pytest


@pytest.fixture
def plain(tmp_path):
    """Texts with this test's folder written as DIR."""
    return lambda text: text.replace(str(tmp_path), "DIR")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "train: {learning_rat: 1}",
            "DIR/animals.yaml:4: train.learning_rat: unknown key; did you mean 'learning_rate'?",
        ),
        (
            "train: {epochs: many}",
            "DIR/animals.yaml:4: train.epochs: must be a whole number, got the text 'many'",
        ),
        (
            "strategy: [naive]",
            "DIR/animals.yaml:4: strategy: stands here twice; first on line 3",
        ),
        (
            "source: cat",
            "DIR/animals.yaml:4: source: there is no domain 'cat'. Did you mean 'cats'?",
        ),
    ],
)
@pytest.mark.parametrize("name", ["run", "validate"])
def test_a_mistake_in_the_file(command, domain_folder, pipeline_file, plain, name, lines, expected):
    pipeline_file.write_text(pipeline_file.read_text() + lines + "\n")
    done = command(name, pipeline_file, "--domains", domain_folder)
    assert done.code == 2
    assert plain(done.err).startswith(f"transferlab: {expected}")
    assert done.err.count("\n") == 1
    assert done.out == ""


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "train.learning_rat=1",
            "--set train.learning_rat: unknown key; did you mean 'learning_rate'?",
        ),
        ("strategy.ewc.strenth=1", "unknown key; did you mean 'strength'?"),
        ("stream.1=dog", "--set stream.1: there is no domain 'dog'. Did you mean 'dogs'?"),
        ("train.epochs", "--set train.epochs: must be dotted.key=value, such as train.epochs=5"),
    ],
)
def test_a_mistake_in_set(command, domain_folder, pipeline_file, override, expected):
    done = command("run", pipeline_file, "--domains", domain_folder, "--set", override)
    assert done.code == 2
    assert done.err.startswith("transferlab: --set ")
    assert expected in done.err


def test_a_missing_file(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command("run", "mine.yaml")
    assert (done.code, done.err) == (2, "transferlab: mine.yaml: there is no such file\n")


def test_a_shipped_pipeline_named_by_a_path_that_is_not_here(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command("run", "pipelines/radiology.yaml")
    assert done.code == 2
    assert "`transferlab run radiology`" in done.err


def test_a_broken_domain_file(command, domain_folder, pipeline_file, plain):
    file = domain_folder / "cats" / "domain.yaml"
    file.write_text(file.read_text().replace("group:", "gruop:"))
    done = command("run", pipeline_file, "--domains", domain_folder)
    assert done.code == 2
    assert "DIR/mine/cats/domain.yaml:7: gruop: unknown key; did you mean 'group'?" in plain(
        done.err
    )


def test_an_unwritable_output_directory(command, domain_folder, pipeline_file, tmp_path):
    (tmp_path / "taken").write_text("a file")
    out = tmp_path / "taken" / "run"
    done = command("run", pipeline_file, "--domains", domain_folder, "--out", out)
    assert done.code == 5
    assert done.err == (
        f"transferlab: {out}: cannot be written (Not a directory); choose another directory with "
        "--out\n"
    )


def test_a_directory_that_holds_a_result(command, domain_folder, pipeline_file, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "result.json").write_text("{}")
    done = command("run", pipeline_file, "--domains", domain_folder, "--out", tmp_path / "old")
    assert done.code == 2
    assert "add --overwrite to run again into it" in done.err
    assert (tmp_path / "old" / "result.json").read_text() == "{}"


def test_exporting_what_is_no_run(command, tmp_path):
    done = command("export", tmp_path)
    assert done.code == 2
    assert done.err == (
        f"transferlab: {tmp_path}: holds no result.json; name the output directory of a run\n"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run"], "Missing argument"),
        (["rum"], "No such command 'rum'"),
        (["run", "radiology", "--dryrun"], "No such option: --dryrun"),
        (["ui", "--port", "x"], "Invalid value for '--port'"),
        (["validate"], "name a pipeline to validate"),
        (["domains", "show", "nothing-like-it"], "there is no domain 'nothing-like-it'"),
        (["domains", "list", "--domains", "not-here"], "there is no folder 'not-here'"),
        (["pretrain", "radiology"], "Missing option"),
    ],
)
def test_a_mistyped_command(command, arguments, expected):
    done = command(*arguments)
    assert done.code == 2
    assert done.err.startswith("transferlab: ")
    assert expected in done.err
    assert done.err.count("\n") == 1


def test_a_tracking_store_that_is_not_there(command, tmp_path):
    done = command("ui", "--tracking-uri", f"sqlite:///{tmp_path}/none.db")
    assert done.code == 2
    assert "there is no tracking store" in done.err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "name files of one kind: --image, --dicom or --video"),
        (["--image", "a.png", "--video", "a.mp4"], "name files of one kind"),
        (["--image", "a.png", "--prompt", "?", "--task", "t"], "leave out --domain and --task"),
        (["--image", "a.png", "--task", "t", "--choice", "a"], "--choice belongs to --prompt"),
        (["--video", "a.mp4", "--task", "t", "--frames", "9"], "--frames belongs to --video with"),
        (["--image", "a.png", "--prompt", "?", "--frames", "9"], "--frames belongs to --video"),
        (["--image", "a.png", "--prompt", "?", "--overwrite"], "--overwrite replaces the file of"),
    ],
)
def test_options_of_predict_that_do_not_fit_each_other(command, tmp_path, options, expected):
    """None does nothing without a word; none is found out after a model was loaded."""
    done = command("predict", tmp_path, *options)
    assert done.code == 2
    assert expected in done.err
    assert done.err.count("\n") == 1
