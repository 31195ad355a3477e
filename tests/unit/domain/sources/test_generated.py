import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from domain_cases import toy_rows, write_domain, write_settings

from transferlab import worlds
from transferlab.core.registry import Registry
from transferlab.domain.base import cached_folder
from transferlab.domain.loader import load_domain
from transferlab.domain.sources.generated import generate
from transferlab.errors import EnvironmentProblem, InputError, TransferlabWarning, UnknownName

CALLS = []


def write(folder, *, seed, samples):
    """A generator: toy pictures. Its calls are counted."""
    CALLS.append(seed)
    write_domain(folder, rows=toy_rows(samples))
    (folder / "options.json").write_text(json.dumps([seed, samples]))


def fail(folder, *, seed):
    (folder / "half").touch()
    raise InputError("the generator stopped half-way")


@pytest.fixture(autouse=True)
def generators(monkeypatch):
    CALLS.clear()
    entries = {"toys": f"{__name__}:write", "fails": f"{__name__}:fail"}
    monkeypatch.setattr(worlds, "GENERATORS", Registry("generator", entries))


def entry(folder, *, generator="toys", version=1, **options):
    source = {
        "kind": "generated",
        "generator": generator,
        "options": options,
        "media": {"image": {"kind": "image", "path": "{file}"}},
    }
    return write_settings(folder, name="generated-toy", source=source, version=version)


def test_it_is_written_once_per_content(tmp_path):
    cache = tmp_path / "cache"
    first = generate(entry(tmp_path / "a", samples=10), cache)
    assert generate(entry(tmp_path / "a", samples=10), cache) == first
    assert len(CALLS) == 1
    assert json.loads((first / "options.json").read_text()) == [0, 10]
    other = {
        generate(entry(tmp_path / "a", samples=11), cache),
        generate(entry(tmp_path / "a", samples=10, seed=1), cache),
        generate(entry(tmp_path / "a", samples=10, version=2), cache),
    }
    assert len(other | {first}) == 4
    assert sorted(path.name for path in cache.iterdir()) == sorted(p.name for p in other | {first})


def test_a_generated_domain_loads_like_a_table(tmp_path):
    data = load_domain(entry(tmp_path / "a", samples=10), cache_root=tmp_path / "cache")
    assert sum(map(len, data.splits.values())) == 20


def test_the_cache_variable_is_honoured(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_CACHE", str(tmp_path / "mine"))
    assert generate(entry(tmp_path / "a", samples=3)).parent == tmp_path / "mine"


def test_two_at_once_end_with_one_folder(tmp_path):
    one = entry(tmp_path / "a", samples=10)
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: generate(one, tmp_path / "cache"), range(4)))
    assert len(set(folders)) == 1
    assert list((tmp_path / "cache").iterdir()) == [folders[0]]


def test_a_failed_generator_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="half-way"):
        generate(entry(tmp_path / "a", generator="fails"), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_wrong_options_and_names_are_input_errors(tmp_path):
    with pytest.raises(InputError, match=r"source\.options.*'colour'"):
        generate(entry(tmp_path / "a", samples=1, colour="red"), tmp_path / "cache")
    with pytest.raises(UnknownName, match="toys"):
        generate(entry(tmp_path / "b", generator="toyz"), tmp_path / "cache")


def test_an_unwritable_cache_is_an_environment_problem(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="TRANSFERLAB_CACHE"):
        generate(entry(tmp_path / "a", samples=1), tmp_path / "file" / "cache")


def test_a_pipeline_may_ask_for_fewer_samples_never_for_more(tmp_path):
    domain = entry(tmp_path / "a", samples=40)
    whole, fewer, more = (
        load_domain(domain, cache_root=tmp_path / "cache", generated_samples=limit)
        for limit in (None, 20, 90)
    )

    def count(data):
        return len({one.id for samples in data.splits.values() for one in samples})

    assert count(fewer) == count(whole) / 2
    assert more.digest == whole.digest


@pytest.mark.parametrize("damage", ["flip", "empty", "gone", "no digests"])
def test_a_damaged_folder_is_set_aside_and_generated_anew(tmp_path, monkeypatch, damage):
    cache = tmp_path / "cache"
    folder = generate(entry(tmp_path / "a", samples=10), cache)
    monkeypatch.setattr(cached_folder, "_verified", set())  # as in another process
    file = next(folder.rglob("*.png"))
    content = file.read_bytes()
    if damage == "flip":
        file.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "gone":
        file.unlink()
    else:
        (folder / cached_folder.DIGESTS).unlink()
    with pytest.warns(TransferlabWarning, match=r"is damaged \(.*\); it is kept as"):
        assert generate(entry(tmp_path / "a", samples=10), cache) == folder
    assert file.read_bytes() == content
    assert len(CALLS) == 2
