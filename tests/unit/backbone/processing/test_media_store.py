"""Processed media on disk: the same as made anew, within the limit, safe with several processes."""

import errno
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from backbone_cases import Pictures, sample
from filelock import FileLock

from transferlab.backbone.loader import load_backbone
from transferlab.backbone.processing.media_store import (
    HOT_SECONDS,
    SUFFIX,
    MediaStore,
    entry_key,
    settings_digest,
)
from transferlab.config.pipeline import BackboneSection
from transferlab.core.records import MediaRef
from transferlab.errors import TransferlabWarning

KILOBYTE = 1024


def entry(value, kilobytes=1):
    return {"pixel_values": torch.full((kilobytes, 256), float(value))}, {"frames": [1], "rows": 1}


def ref(name="a", **changes):
    given = {"kind": "image", "path": Path("/nowhere/Secret^Sally.png"), "digest": name * 64}
    return MediaRef(**(given | changes))


def test_what_is_written_is_read_back_mapped(tmp_path):
    store = MediaStore(tmp_path / "media", limit_bytes=100 * KILOBYTE)
    tensors = {"a": torch.arange(6).reshape(2, 3), "b": torch.ones(2, 2, dtype=torch.bfloat16).T}
    store.write("k" * 64, (tensors, {"texts": ["<a>", "é"]}))
    again, facts = MediaStore(tmp_path / "media", limit_bytes=1).read("k" * 64)
    assert facts == {"texts": ["<a>", "é"]}
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    assert again["b"].dtype == torch.bfloat16
    assert store.read("x" * 64) is None
    assert (tmp_path / "media").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "other",
    [
        ref("b"),
        ref(kind="dicom"),
        ref(start_seconds=1.0),
        ref(end_seconds=2.0),
        ref(frames=2),
        ref(mask_text=True),
    ],
)
def test_a_key_covers_the_content_and_which_part_of_it(other):
    assert entry_key([other], "s") != entry_key([ref()], "s")


def test_a_key_ignores_names_and_needs_a_digest():
    assert entry_key([ref(path=Path("/b.png"), alias="row 1")], "s") == entry_key([ref()], "s")
    assert entry_key([ref()], "t") != entry_key([ref()], "s")
    assert entry_key([ref(digest="")], "s") is None
    assert entry_key([], "s") is None


def test_settings_of_the_processor_and_further_facts_change_the_key():
    class Processor:
        image_processor = None

        def __init__(self, size):
            self.size = size

        def to_dict(self):
            return {"size": self.size}

    digests = {settings_digest(Processor(8), "a"), settings_digest(Processor(9), "a"),
               settings_digest(Processor(8), "b")}  # fmt: skip
    assert len(digests) == 3
    assert settings_digest(Processor(8), "a") in digests


def kept(folder):
    return sorted(path.stem for path in folder.glob("*.safetensors"))


def test_the_longest_unused_makes_room(tmp_path):
    for number, name in enumerate("abc"):
        MediaStore(tmp_path, limit_bytes=100 * KILOBYTE).write(name, entry(number))
        os.utime(tmp_path / f"{name}.safetensors", (1000 + number,) * 2)
    store = MediaStore(tmp_path, limit_bytes=4 * KILOBYTE)
    store.read("a")  # just used
    store.write("d", entry(4))
    assert kept(tmp_path) == ["a", "c", "d"]
    assert sum(path.stat().st_size for path in tmp_path.glob("*.s*")) <= 4 * KILOBYTE


def test_what_is_in_use_stays_and_the_new_is_not_kept(tmp_path):
    store = MediaStore(tmp_path, limit_bytes=3 * KILOBYTE)
    for name in "abcd":
        store.write(name, entry(0))
    assert kept(tmp_path) == ["a", "b"]
    store.write("e", entry(0, kilobytes=50))
    assert kept(tmp_path) == ["a", "b"]


def test_a_damaged_entry_is_made_again(tmp_path):
    store = MediaStore(tmp_path, limit_bytes=100 * KILOBYTE)
    store.write("a", entry(1))
    path = tmp_path / "a.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(TransferlabWarning, match=r"a\.safetensors: is damaged"):
        assert store.read("a") is None
    assert kept(tmp_path) == []


def test_no_damaged_byte_of_an_entry_is_believed(tmp_path):
    MediaStore(tmp_path, limit_bytes=100 * KILOBYTE).write("a", entry(1))
    path = tmp_path / "a.safetensors"
    content = path.read_bytes()
    flipped = [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in range(0, 400)]
    for other in [*flipped, bytes(len(content)), b""]:
        path.write_bytes(other)
        with pytest.warns(TransferlabWarning, match="is damaged"):
            assert MediaStore(tmp_path, limit_bytes=100 * KILOBYTE).read("a") is None


def test_a_reader_keeps_what_another_evicts(tmp_path):
    store = MediaStore(tmp_path, limit_bytes=100 * KILOBYTE)
    store.write("a", entry(7))
    tensors, _ = store.read("a")
    (tmp_path / "a.safetensors").unlink()
    assert tensors["pixel_values"].eq(7).all()


def test_a_full_disk_is_told_once_and_stops_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transferlab.backbone.processing.media_store.save_file", full)
    store = MediaStore(tmp_path, limit_bytes=100 * KILOBYTE)
    with pytest.warns(TransferlabWarning, match=r"no longer kept in .* \(the disk is full\)"):
        store.write("a", entry(1))
    store.write("b", entry(1))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_once_and_stops_nothing(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(TransferlabWarning, match=r"no longer kept in .*file/media") as told:
        store = MediaStore(tmp_path / "file" / "media", limit_bytes=KILOBYTE)
    store.write("a", entry(1))
    assert store.read("a") is None
    assert len(told) == 1


def test_a_folder_that_can_only_be_read_is_read(tmp_path, monkeypatch):
    """Root may write anywhere, so the refusals are made up; a mounted folder was tried by hand."""
    MediaStore(tmp_path, limit_bytes=100 * KILOBYTE).write("a", entry(1))
    (tmp_path / f"damaged{SUFFIX}").write_bytes(b"x" * 100)

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    monkeypatch.setattr(FileLock, "acquire", refuse)
    store = MediaStore(tmp_path, limit_bytes=3 * KILOBYTE)
    found = store.read("a")
    assert found is not None
    assert torch.equal(found[0]["pixel_values"], entry(1)[0]["pixel_values"])
    assert store.read("damaged") is None
    with pytest.warns(TransferlabWarning, match="the file system is read-only"):
        store.write("b", entry(1, kilobytes=2))
    assert store.read("a") is not None


def test_what_a_killed_process_had_begun_to_write_is_removed_once_it_is_old(tmp_path):
    for name, seconds in ((".old.partial", 2 * HOT_SECONDS), (".new.partial", 10)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - seconds,) * 2)
    MediaStore(tmp_path, limit_bytes=KILOBYTE)
    assert [one.name for one in tmp_path.iterdir()] == [".new.partial"]


def _work(folder, seed):
    store = MediaStore(folder, limit_bytes=12 * KILOBYTE, hot_seconds=0)
    order = np.random.default_rng(seed).integers(0, 16, 150)
    for number in order.tolist():
        found = store.read(f"{number}")
        if found is None:
            store.write(f"{number}", entry(number))
        elif not found[0]["pixel_values"].eq(number).all():
            os._exit(1)
    os._exit(0)


def test_several_processes_read_write_and_evict_at_once(tmp_path):
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_work, args=(tmp_path, seed)) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert list(tmp_path.glob("*.partial")) == []
    total = sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    assert total <= 12 * KILOBYTE * 1.2


def test_a_second_run_decodes_nothing_and_sees_the_same(tmp_path):
    samples = [sample(n, media=(ref(str(n), path=Path(f"{n}.png")),)) for n in range(3)]
    batches, calls = [], []
    for _ in range(2):
        pictures = Pictures()
        store = MediaStore(tmp_path / "media", limit_bytes=2**24)
        backbone = load_backbone(
            BackboneSection(device="cpu"), decode=pictures, seed=0, store=store
        )
        # Once per backbone it decodes a sample to see how the processor writes prompts.
        backbone.collator._expansion_checked = True
        batches.append(backbone.collate(samples)[0])
        calls.append(pictures.calls)
    assert calls == [3, 0]
    assert torch.equal(batches[0].input_ids, batches[1].input_ids)
    for name, tensor in batches[0].media.items():
        assert torch.equal(tensor, batches[1].media[name])
    assert len(kept(tmp_path / "media")) == 3
