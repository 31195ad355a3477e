"""Paths that other systems and programs write, and names that templates could take for columns."""

import pytest
from domain_cases import write_picture

from transferlab.domain.onboarding.proposal import propose
from transferlab.domain.onboarding.user_domains import write_domain
from transferlab.domain.validation.domain_check import check_domain


def folder_of(root, *, below="img", written=lambda root, name: name, column="path"):
    """30 pictures of ten patients and a table that names them."""
    (root / below).mkdir(parents=True)
    rows = [f'"{column}",patient_id,label']
    for n in range(30):
        name = f"{below}/p{n}.png"
        write_picture(root / name, n)
        rows.append(f'"{written(root, name)}",g{n // 3},{("normal", "opacity")[n % 2]}')
    (root / "table.csv").write_text("\n".join(rows) + "\n")
    return root


def registered(root, tmp_path):
    proposal = propose(root)
    entry = write_domain(proposal.settings | {"licence": "none"}, to=tmp_path / "domains")
    return proposal, check_domain(entry)


@pytest.mark.parametrize(
    ("written", "noted"),
    [
        (lambda root, name: name, False),
        (lambda root, name: name.replace("/", "\\"), True),
        (lambda root, name: str(root / name), True),
        (lambda root, name: f"./{name}", False),
    ],
    ids=["plain", "backslashes", "absolute", "dot"],
)
def test_paths_are_matched_however_they_are_written(tmp_path, written, noted):
    root = folder_of((tmp_path / "data").resolve(), written=written)
    proposal, report = registered(root, tmp_path)
    assert report.media == 30
    assert not report.errors
    assert noted == any("read as paths under the data root" in note for note in proposal.notes)


def test_a_backslash_that_is_part_of_a_name_stays(tmp_path):
    root = folder_of(tmp_path / "data", below="a\\b")
    _, report = registered(root, tmp_path)
    assert (report.media, report.errors) == (30, [])


def test_an_absolute_path_elsewhere_is_refused(tmp_path):
    root = folder_of(tmp_path / "data")
    proposal = propose(root)
    write_picture(tmp_path / "other.png", 99)
    table = (root / "table.csv").read_text().replace("img/p7.png", str(tmp_path / "other.png"))
    (root / "table.csv").write_text(table)
    entry = write_domain(proposal.settings | {"licence": "none"}, to=tmp_path / "domains")
    (error,) = check_domain(entry).errors
    assert "not a path inside the domain's folder" in error.reason


@pytest.mark.parametrize(
    "below", ["scans [2024] {site A} #1 100%", "{file}", "a{b", "it's & <b>", "Größe ü", "x:y!z"]
)
def test_a_folder_may_be_called_anything(tmp_path, below):
    root = folder_of(tmp_path / "data", below=below, written=lambda root, name: name.split("/")[-1])
    _, report = registered(root, tmp_path)
    assert (report.media, report.errors) == (30, [])


@pytest.mark.parametrize("column", ["image.path", "a[0]", "1", "x{y}", "time: path"])
def test_a_column_that_templates_cannot_name_is_not_proposed(tmp_path, column):
    root = folder_of(tmp_path / "data", column=column)
    text = (root / "table.csv").read_text().splitlines()
    more = [f"{line},{line.split(',')[0]}" for line in text[1:]]
    (root / "table.csv").write_text("\n".join([text[0] + ",file", *more]) + "\n")
    proposal, report = registered(root, tmp_path)
    assert "{file}" in proposal.settings["source"]["media"]["image"]["path"]
    assert (report.media, report.errors) == (30, [])
    assert any("cannot be named in a template" in note for note in proposal.notes)
