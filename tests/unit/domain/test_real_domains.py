"""The real domains, where the data packs are there."""

import os
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import transferlab
from transferlab.core.records import SPLITS, MediaRef
from transferlab.domain.catalog import find_domains
from transferlab.domain.loader import load_domain
from transferlab.domain.media.decoder import decode
from transferlab.errors import DataError

CHECKOUT = Path(transferlab.__file__).parents[1]
PACKS = Path(os.environ.get("TRANSFERLAB_DATA") or CHECKOUT.parent / "shared" / "data")

pytestmark = pytest.mark.skipif(
    not (PACKS / "radiology").is_dir() or not (PACKS / "education").is_dir(),
    reason=f"the data packs are not in {PACKS}",
)

SIZES = {
    "chest-xray-real": {"pneumonia": 180, "view": 488, "sex": 488, "finding": 428, "cause": 77},
    "textbook-figures": {"subject": 1200, "caption_match": 1186, "describe": 1200},
    "lectures-real": {"kind": 211, "subject": 165, "describe": 187},
}


@pytest.fixture(scope="module")
def domains():
    entries = find_domains([CHECKOUT / "domains"])
    return {name: load_domain(entries[name], data_root=PACKS) for name in SIZES}


@pytest.fixture(params=SIZES)
def data(request, domains):
    return domains[request.param]


def all_samples(data):
    return [sample for split in SPLITS for sample in data.splits[split]]


def test_every_row_is_there(data):
    assert Counter(sample.task for sample in all_samples(data)) == SIZES[data.name]
    assert data.quarantined == ()


def test_no_group_and_no_picture_is_on_two_sides(data):
    groups, files = defaultdict(set), defaultdict(set)
    for name in SPLITS:
        for sample in data.splits[name]:
            groups[sample.group].add(name)
            for ref in sample.media:
                files[ref.path].add(name)
    assert {len(sides) for sides in groups.values()} == {1}
    assert {len(sides) for sides in files.values()} == {1}


def test_every_label_can_be_learned_and_is_tested(data):
    for task, metric in data.primary_metrics.items():
        if metric == "token_f1":
            continue
        labels = {sample.choices for sample in all_samples(data) if sample.task == task}
        (choices,) = labels
        for split in ("train", "test"):
            seen = {sample.answer for sample in data.splits[split] if sample.task == task}
            assert seen == set(choices), f"{task}, {split}"


def test_answers_and_prompts_are_short_enough_for_a_small_model(data):
    for sample in all_samples(data):
        assert len(sample.answer) <= 160
        assert len(sample.prompt) <= 420


def test_prompts_of_x_rays_do_not_name_the_answer(domains):
    named = re.compile(
        r"covid(?!-19 or other)|corona|sars|pcr|mycoplasma|klebsiella|legionella|influenza"
        r"|kermany|cohen|nih|20(19|20)",
        re.IGNORECASE,
    )
    for sample in all_samples(domains["chest-xray-real"]):
        assert not named.search(sample.prompt), sample.id
        assert not any(name in sample.prompt for name in ("Kermany", "NIH", "Cohen"))


def test_children_are_asked_about_pneumonia_only(domains):
    for sample in all_samples(domains["chest-xray-real"]):
        child = sample.attributes.get("age_band") in ("1-5", "under 18")
        assert child == (sample.task == "pneumonia") or sample.task == "cause"


def test_half_of_the_captions_belong_and_the_text_alone_does_not_tell(domains):
    built = [s for s in all_samples(domains["textbook-figures"]) if s.task == "caption_match"]
    answers = Counter(sample.answer for sample in built)
    assert answers["yes"] == 594
    assert answers["no"] == 592
    of_caption = defaultdict(set)
    for sample in built:
        of_caption[sample.prompt].add(sample.answer)
    assert sum(len(both) == 2 for both in of_caption.values()) > 100


def test_words_stand_beside_the_frames_they_are_spoken_over(domains):
    shown = [s for s in all_samples(domains["lectures-real"]) if s.task == "describe"]
    spoken = {s.prompt: s.media[0] for s in shown if "Words: \n" not in s.prompt}
    (prompt,) = [p for p in spoken if "because your mouse doesn't work" in p or "mouse" in p][:1]
    assert (spoken[prompt].start_seconds, spoken[prompt].end_seconds) == (5.97, 9.469)


def test_versions_of_one_lecture_are_one_group(domains):
    groups = defaultdict(set)
    for sample in all_samples(domains["lectures-real"]):
        for ref in sample.media:
            groups[sample.group].add(ref.path.name)
    together = [names for names in groups.values() if len(names) > 1]
    assert any(sum("opencast_xquery" in name for name in names) == 4 for names in together)
    assert any({"w3c_rabbit.mp4", "w3c_rabbit.webm"} <= names for names in together)


def test_one_video_of_each_codec_decodes(domains):
    refs = {}
    for sample in all_samples(domains["lectures-real"]):
        refs.setdefault(sample.media[0].path.suffix, sample.media[0])
    assert len(refs) >= 4
    for ref in refs.values():
        assert len(decode(ref)) == 3


def test_every_dicom_file_decodes_or_is_refused_in_one_sentence():
    decoded, refused = 0, []
    for path in sorted((PACKS / "radiology" / "dicom").rglob("*")):
        if not path.is_file() or path.suffix in (".csv", ".txt", ".md"):
            continue
        try:
            frames = decode(MediaRef(kind="dicom", path=path))
        except DataError as error:
            refused.append(str(error))
        else:
            decoded += 1
            assert frames[0].shape[2] == 3
    assert decoded >= 130
    assert len(refused) <= 40
    assert not any("\n" in message for message in refused)
    assert any("has no pixels" in message for message in refused)


def test_the_two_chest_x_rays_are_inverse_readings():
    folder = PACKS / "radiology" / "dicom" / "cxr"
    (one,) = decode(MediaRef(kind="dicom", path=folder / "rsna_cxr_pa_monochrome1_made.dcm"))
    (two,) = decode(MediaRef(kind="dicom", path=folder / "rsna_cxr_pa_monochrome2.dcm"))
    assert (one == 255 - two).all()
