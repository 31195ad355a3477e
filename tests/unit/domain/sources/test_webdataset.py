"""WebDataset shards and Hugging Face datasets, written by the libraries themselves."""

import io
import json
import tarfile

import numpy as np
import pytest
from domain_cases import picture, write_dicom, write_film, write_settings

from transferlab.core import lazy
from transferlab.domain.base import archive_members
from transferlab.domain.loader import load_domain
from transferlab.domain.media.decoder import decode
from transferlab.domain.onboarding import user_domains
from transferlab.domain.onboarding.proposal import propose
from transferlab.domain.sources.webdataset import stream_shards
from transferlab.domain.validation.domain_check import check_domain
from transferlab.errors import DataError, EnvironmentProblem, InputError, MissingExtra

webdataset = pytest.importorskip("webdataset")
datasets = pytest.importorskip("datasets")

ASK = {
    "kind": "classify",
    "prompt": "<image>\nWhich?",
    "answer": "{cls}",
    "metrics": ["accuracy"],
}
SHARDS = {
    "kind": "webdataset",
    "path": "shards",
    "media": {"image": {"kind": "image", "path": "{png}"}},
}


def encoded(number):
    buffer = io.BytesIO()
    picture(number).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def shards(tmp_path):
    """Thirty samples in two shards, as webdataset writes them."""
    folder = tmp_path / "d" / "shards"
    folder.mkdir(parents=True)
    for shard in range(2):
        with webdataset.TarWriter(str(folder / f"train-{shard}.tar")) as sink:
            for number in range(15 * shard, 15 * shard + 15):
                sink.write({
                    "__key__": f"set/{number:05}",
                    "png": encoded(number),
                    "json": {"patient": f"P{number}", "age": number},
                    "cls": str(number % 2),
                })  # fmt: skip
    return tmp_path / "d"


def shard_domain(folder, **changes):
    settings = {"source": SHARDS, "tasks": {"which": ASK}, "attributes": ["age"]}
    return write_settings(folder, **(settings | changes))


def test_samples_are_read_and_media_stay_in_their_shards(shards):
    entry = shard_domain(shards)
    data = load_domain(entry)
    samples = [sample for side in data.splits.values() for sample in side]
    assert len(samples) == 30
    assert {sample.answer for sample in samples} == {"0", "1"}
    for sample in samples:
        (frame,) = decode(sample.media[0])
        number = int(sample.attributes["age"])
        assert np.array_equal(frame, np.asarray(picture(number).convert("RGB")))
    report = check_domain(entry)
    assert report.errors == []
    assert (report.rows, report.media) == (30, 30)
    assert (
        archive_members._members.cache_info().currsize == 0
    )  # indexes do not pile up, shard by shard


def test_films_and_dicom_files_in_a_shard(tmp_path):
    video = write_film(tmp_path / "a.mp4", frames=20, rate=10).read_bytes()
    xray = write_dicom(tmp_path / "a.dcm", np.arange(64, dtype=np.uint16).reshape(8, 8))
    (tmp_path / "d" / "shards").mkdir(parents=True)
    with webdataset.TarWriter(str(tmp_path / "d" / "shards" / "a.tar")) as sink:
        for number in range(6):
            content = {"mp4": video, "dcm": xray.read_bytes(), "txt": f"text {number}"}
            sink.write({"__key__": str(number)} | content)
    media = {
        "clip": {"kind": "video", "path": "{mp4}", "frames": 2},
        "xray": {"kind": "dicom", "path": "{dcm}"},
    }
    task = {
        "kind": "describe",
        "prompt": "<clip><xray>",
        "answer": "{txt}",
        "metrics": ["token_f1"],
    }
    entry = shard_domain(
        tmp_path / "d", source=SHARDS | {"media": media}, tasks={"tell": task}, group="key",
        attributes=[],
    )  # fmt: skip
    sample = load_domain(entry).splits["test"][0]
    assert [len(decode(ref)) for ref in sample.media] == [2, 1]


def cut(path):
    path.write_bytes(path.read_bytes()[:9000])


def spoil(path):
    content = path.read_bytes()
    at = content.index(b"PNG", 2000)
    path.write_bytes(content[:at] + b"XXX" + content[at + 3 :])


SPOILT = {
    "cut off": (cut, "is damaged, or no WebDataset shard, after sample"),
    "no tar": (lambda path: path.write_bytes(b"secret" * 999), "is damaged, or no WebDataset"),
    "packed": (lambda path: path.rename(path.with_suffix(".tar.gz")), "is packed"),
    "empty": (lambda path: tarfile.open(path, "w").close(), "holds no sample"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_shard_is_one_sentence(shards, case):
    spoil_it, says = SPOILT[case]
    spoil_it(shards / "shards" / "train-0.tar")
    with pytest.raises(DataError, match=says) as caught:
        load_domain(shard_domain(shards))
    assert "\n" not in str(caught.value)


def test_a_spoilt_picture_in_a_shard_is_a_bad_row(shards):
    spoil(shards / "shards" / "train-1.tar")
    data = load_domain(shard_domain(shards), on_bad_sample="quarantine")
    (one,) = data.quarantined
    assert one.where.startswith("shard 2 of 2, sample ")
    assert "not a picture" in one.reason


def test_a_member_that_is_not_there_and_a_shard_that_is_not(shards):
    media = {"image": {"kind": "image", "path": "shards/train-0.tar/../../secret.png"}}
    with pytest.raises(DataError, match="the file is missing"):
        load_domain(shard_domain(shards, source=SHARDS | {"media": media}))
    with pytest.raises(DataError, match=r"holds no \.tar shard whose name fits 'x-"):
        load_domain(shard_domain(shards, source=SHARDS | {"pattern": "x-*.tar"}))


ROWS = {
    "kind": "huggingface",
    "path": "saved",
    "media": {"image": {"kind": "image", "path": "{image}"}},
}


@pytest.fixture
def saved(tmp_path):
    """A dataset with two splits, as datasets saves it: pictures inside, labels by number."""
    features = datasets.Features(
        image=datasets.Image(), patient=datasets.Value("string"),
        cls=datasets.ClassLabel(names=["round", "square"]),
    )  # fmt: skip

    def split(numbers):
        rows = [{"image": picture(n), "patient": f"P{n}", "cls": n % 2} for n in numbers]
        return datasets.Dataset.from_list(rows, features=features)

    whole = datasets.DatasetDict(
        train=split(range(12)), validation=split(range(12, 16)), test=split(range(16, 24))
    )
    whole.save_to_disk(str(tmp_path / "d" / "saved"))
    return tmp_path / "d"


def dataset_domain(folder, **changes):
    settings = {"source": ROWS, "tasks": {"which": ASK}, "attributes": []}
    return write_settings(folder, **(settings | {"splits": {"column": "part"}} | changes))


def test_a_saved_dataset_with_its_own_splits(saved, tmp_path):
    entry = dataset_domain(saved)
    data = load_domain(entry, cache_root=tmp_path / "cache")
    assert {side: len(data.splits[side]) for side in data.splits} == {
        "train": 12, "validation": 4, "test": 8,
    }  # fmt: skip
    assert {sample.answer for sample in data.splits["test"]} == {"round", "square"}
    (frame,) = decode(data.splits["train"][0].media[0])
    assert frame.shape == (8, 8, 3)
    (folder,) = (tmp_path / "cache").iterdir()
    again = load_domain(entry, cache_root=tmp_path / "cache")
    assert again.digest == data.digest
    assert list((tmp_path / "cache").iterdir()) == [folder]
    assert json.loads((folder / "test.jsonl").read_text().splitlines()[0])["cls"] == "round"


def test_what_is_no_saved_dataset(saved, tmp_path):
    (tmp_path / "d" / "other").mkdir()
    for path, says in (
        ("other", "no dataset that `save_to_disk` wrote"),
        ("none", "no such folder"),
    ):
        with pytest.raises(DataError, match=says):
            load_domain(
                dataset_domain(saved, source=ROWS | {"path": path}), cache_root=tmp_path / "cache"
            )
    with pytest.raises(InputError, match="hub: only with kind 'huggingface', and instead of path"):
        dataset_domain(saved, source=ROWS | {"hub": {"id": "a/b"}})


def test_the_hub_without_a_network_is_one_sentence(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = {key: value for key, value in ROWS.items() if key != "path"}
    entry = dataset_domain(saved, source=source | {"hub": {"id": "nobody/nothing-of-the-kind"}})
    with pytest.raises(
        EnvironmentProblem, match="the hub cannot be reached for 'nobody/"
    ) as caught:
        load_domain(entry, cache_root=tmp_path / "cache")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("kind", "extra"), [("shards", "webdataset"), ("saved", "huggingface")])
def test_a_missing_library_is_said_with_how_to_get_it(request, monkeypatch, tmp_path, kind, extra):
    folder = request.getfixturevalue(kind)

    def gone(name):
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    monkeypatch.setattr(lazy, "import_module", gone)
    entry = shard_domain(folder) if kind == "shards" else dataset_domain(folder)
    with pytest.raises(MissingExtra, match=rf"pip install 'transferlab\[{extra}\]'"):
        load_domain(entry, cache_root=tmp_path / "cache")


def proposal_of(path):
    return propose(path, name="mine", licence="CC0-1.0")


def test_shards_are_proposed_and_sound(shards, tmp_path):
    made = proposal_of(shards / "shards").settings
    assert made["source"]["kind"] == "webdataset"
    assert made["source"]["media"] == {"image": {"kind": "image", "path": "{png}"}}
    assert (made["group"], list(made["tasks"])) == ("patient", ["cls"])
    entry = user_domains.write_domain(made, to=tmp_path / "home")
    assert check_domain(entry).errors == []


def test_a_saved_dataset_is_proposed_with_its_own_splits(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_CACHE", str(tmp_path / "cache"))
    made = proposal_of(saved / "saved").settings
    assert made["source"]["media"] == {"image": {"kind": "image", "path": "{image}"}}
    assert (made["splits"], made["group"]) == ({"column": "part"}, "patient")
    assert made["tasks"]["cls"]["choices"] == ["round", "square"]
    entry = user_domains.write_domain(made, to=tmp_path / "home")
    report = check_domain(entry)
    assert report.samples == {"train": 12, "validation": 4, "test": 8}
    assert [one.kind for one in report.errors] == []
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_value_of_the_json_that_a_member_would_hide_is_an_error(shards):
    with webdataset.TarWriter(str(shards / "shards" / "train-0.tar")) as sink:
        sink.write({"__key__": "s0", "cls": "disc", "json": {"cls": "ring", "key": "s0"}})
    rows = stream_shards(shards / "shards", shards, pattern="*")
    with pytest.raises(DataError, match="has 'cls', and so have"):
        list(rows)
