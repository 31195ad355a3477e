"""The report of a run: what stands in it, that a browser obeys nothing of it, and its file."""

import base64
import html
import json
import re
from html.parser import HTMLParser

import pytest

from transferlab.cli import main
from transferlab.config.pipeline import PipelineConfig
from transferlab.errors import InputError
from transferlab.reporting.markdown import render_markdown
from transferlab.reporting.page import render_html
from transferlab.reporting.run_report import run_report
from transferlab.reporting.subgroup_section import gap_sentences
from transferlab.reporting.writer import write_report

DIGEST = "0123456789abcdef" * 4
HOSTILE = "<script>alert(1)</script> | [link](http://evil.example) `x` \x1b[31m"


class Page(HTMLParser):
    """What a browser would make of it: tags, addresses, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def page(result):
    return Page(render_html(run_report(result, digest=DIGEST)))


def markdown(result):
    return render_markdown(run_report(result, digest=DIGEST))


def line(text, start):
    return next(one for one in text.splitlines() if one.startswith(start))


def test_the_page_needs_nothing_but_itself(result):
    text = render_html(run_report(result, digest=DIGEST))
    found = Page(text)
    assert not {"script", "link", "iframe", "object", "form"} & set(found.tags)
    pictures = [one for one in found.addresses if not one.startswith("#")]
    assert len(pictures) == 2
    for one in pictures:
        assert one.startswith("data:image/svg+xml;base64,")
        svg = base64.b64decode(one.partition(",")[2]).decode()
        assert not re.search(r'(href|src)="(?!#)', svg)
    assert "default-src 'none'; style-src 'sha256-" in html.unescape(text)
    assert {one.removeprefix("#") for one in found.addresses if one.startswith("#")} <= set(
        re.findall(r'<section id="([^"]+)"', text)
    )


def test_the_answer_comes_before_what_it_rests_on(result):
    text = page(result).text
    order = ["Question", "Answer", "Data", "Scores after", "Arms beside", "Transfer gains"]
    order += ["Forgetting and", "Similarity", "Costs", "How to reproduce"]
    body = text[text.index("What does") - 20 :]
    places = [body.index(heading) for heading in order]
    assert places == sorted(places)
    for sentence in result["answer"]:
        assert sentence["text"] in body[places[1] : places[2]]


def test_matrix_arms_controls_and_gains(result):
    text = markdown(result)
    assert line(text, "| cats | **0.811**") == "| cats | **0.811** | 0.260 |"
    breed = text[text.index("### cats: breed (accuracy; 50 test samples of 12 groups)") :]
    assert line(breed, "| zero shot") == "| zero shot | 0.200\\* \\[0.100, 0.300\\] |"
    assert line(breed, "| single") == "| single | 0.700 \\[0.600, 0.800\\] |"
    assert line(breed, "| sequential") == "| sequential | 0.600\\* |"  # no interval shows nothing
    assert line(breed, "| control: no image") == "| control: no image | 0.450 |"
    assert line(breed, "| control: pixels") == "| control: pixels | - |"
    total = text[text.index("### cats: mean over its tasks") :]
    assert line(total, "| single") == "| single | 0.700 \\[0.600, 0.800\\] |"
    assert "| single over zero shot | +0.500 \\[+0.400, +0.600\\] | **ahead** |" in text
    assert "| sequential over single | -0.100 \\[-0.180, -0.020\\] | negative transfer |" in text
    assert "| single over zero shot | +0.010 | no interval |" in text
    assert "joint is the same training as sequential" in text


def test_calibration_is_a_note_of_the_task(result):
    assert "calibration, lower" not in markdown(result)
    breed = result["arms"]["single"]["cats"]["tasks"]["breed"]
    breed["calibration"] = {"ece": 0.21, "ece_if_calibrated": 0.06, "brier": 0.17}
    assert "Brier score): single 0.210 (0.060), 0.170" in markdown(result)


def by_sex(female, male, interval):
    def scored(value, groups, samples):
        few = None if value is not None else f"too few to say: {groups} test group(s)"
        bounds = None if value is None else [value - 0.1, value + 0.1]
        return {
            "value": value, "interval": bounds, "interval_reason": few,
            "samples": samples, "groups": groups,
        }  # fmt: skip

    gap = {"best": "F", "worst": "M", "value": female - male, "interval": interval}
    return {"cats": {"breed": {"sex": {
        "values": {"F": scored(female, 7, 20), "M": scored(male, 8, 30),
                   "other": scored(None, 3, 4)},
        "gap": gap | {"interval_reason": None},
    }}}}  # fmt: skip


def test_subgroups_stand_before_and_after_with_their_gaps(result):
    assert "Nothing was compared: no domain lists attributes" in markdown(result)
    result["subgroups"] = {
        "zero_shot": by_sex(0.5, 0.45, [-0.1, 0.2]),
        "sequential": by_sex(0.8, 0.5, [0.05, 0.55]),
    }
    text = markdown(result)
    table = text[text.index("### cats: breed by sex") :]
    assert line(table, "| value") == "| value | samples / groups | zero shot | sequential |"
    assert line(table, "| F") == (
        "| F | 20 / 7 | 0.500 \\[0.400, 0.600\\] | 0.800 \\[0.700, 0.900\\] |"
    )
    assert line(table, "| other") == "| other | 4 / 3 | too few | too few |"
    assert line(table, "| gap") == (
        "| gap |  | 0.050 \\[-0.100, 0.200\\] | **0.300** \\[0.050, 0.550\\] |"
    )
    assert "other: all values that occur in few test groups, taken together" in table
    assert "too few to say: 3 test group(s)" in table


def test_a_gap_is_a_sentence_only_where_its_interval_excludes_zero(result):
    result["subgroups"] = {"zero_shot": by_sex(0.8, 0.5, [0.05, 0.55])}
    assert list(gap_sentences(result)) == []  # nothing was trained yet
    result["subgroups"]["sequential"] = by_sex(0.8, 0.5, [0.0, 0.6])
    assert list(gap_sentences(result)) == []
    result["subgroups"]["sequential"] = by_sex(0.9, 0.5, [0.1, 0.7])
    assert list(gap_sentences(result)) == [
        "cats, breed by sex: F 0.900, M 0.500; gap 0.400 [0.100, 0.700], before 0.300"
    ]


def test_a_mark_goes_where_the_score_is_above_its_controls(result):
    result["controls"]["cats"]["breed"]["no_image"] = 0.05
    result["controls"]["cats"]["breed"]["majority"] = 0.05
    breed = markdown(result)
    breed = breed[breed.index("### cats: breed") :]
    assert "0.200 \\[0.100" in line(breed, "| zero shot")


def test_how_well_labels_are_told_is_no_distance(result):
    assert "no distance" not in markdown(result)
    told = result["similarity"]["cats"][0] | {
        "name": "target_logme", "value": -0.3, "source_samples": 0, "target_samples": 77,
    }  # fmt: skip
    result["similarity"]["cats"].append(told)
    text = markdown(result)
    assert "is no distance: higher is better" in text
    labels = text[text.index("Labels of cats") :]
    assert "| target logme (joint) | **-0.3** | 1.5 ± 0.25 | 0.050 | - |" in labels
    assert "one of each group and task: 77;" in labels
    assert "0 and 77" not in text


def test_data_similarity_costs_and_how_to_reproduce(result):
    text = markdown(result)
    assert "| stream | 3 | CC-BY-NC-4.0 | 1,400 / 200 / 400 | 320 | 1,001 |" in text
    assert "Not for commercial use: the licence of cats forbids it." in text
    assert "cats: 1 row(s) could not be used" in text
    assert "| frechet (joint) | **1,234** | 1.5 ± 0.25 | 0.050 | 31 (1.5) |" in text
    assert "| mmd (joint) | 0.5 | 1.5 ± 0.25 | 0.200 | - |" in text
    assert "| frechet (joint) | 99 | 1.5 ± 0.25 | 1.000 |" in text
    assert "2 domains are too few to say" in text
    assert "| single | cats | 60 | 960 | 3 min 20 s | 4.8 | 3.00 GiB | - | - |" in text
    assert f"| result.json | SHA-256 {DIGEST} |" in text
    assert f"| data of dogs | version 3, SHA-256 {result['domains']['dogs']['digest']} |" in text
    assert "| torch | 2.9.9 |" in text
    assert "| seed | 5 |" in text
    assert "transferlab run pipeline.yaml --out runs/animals" in text


def test_its_settings_are_the_pipeline_again(result):
    text = markdown(result)
    block = text[text.index("### All settings") :].split("```")[1]
    config = PipelineConfig(**json.loads(block)).model_dump(mode="json")
    assert config | {"tracking": None} == result["pipeline"] | {"tracking": None}


def test_no_row_of_the_data_and_no_place_on_this_machine(result):
    for text in (page(result).text, markdown(result)):
        assert "secret.csv" not in text
        assert "/home/ann" not in text


@pytest.mark.parametrize("where", ["title", "licence", "answer", "metric"])
def test_what_data_say_is_shown_and_never_obeyed(result, where):
    match where:
        case "title" | "licence":
            result["domains"]["cats"][where] = HOSTILE
        case "answer":
            result["answer"][0]["text"] = HOSTILE
        case "metric":
            result["scores"]["columns"][0]["metric"] = HOSTILE
    written = render_html(run_report(result, digest=DIGEST))
    found, text = Page(written), markdown(result)
    assert "script" not in found.tags
    assert "<script>alert(1)</script> | [link]" in found.text
    assert "<script" not in text
    assert "\x1b" not in written + text
    assert "[link](" not in text.replace("\\[", "").replace("\\]", "")
    rows = [one for one in text.splitlines() if one.startswith("|")]
    table = rows[rows.index(line(text, "| domain | role")) :][:5]
    assert {len(re.findall(r"(?<!\\)\|", one)) for one in table} == {8}


def test_a_label_cannot_end_the_listing(result):
    result["pipeline"]["name"] = "a```\n# b"
    text = markdown(result)
    block = text[text.index("### All settings") :]
    assert block.splitlines()[2] == "````"


def test_a_result_of_an_earlier_version_has_a_report(result):
    for key in ("answer", "environment", "same_training", "steps", "similarity_adapted"):
        del result[key]
    result |= {"gains": [], "controls": {}, "similarity": {}, "exports": []}
    result["scores"]["rows"][0]["values"]["cats"] = None
    text = page(result).text
    assert "did not write its findings down" in text
    assert "did not write down the versions" in text
    assert "Nothing was compared" in text


def test_the_same_result_makes_the_same_page(result):
    first, second = (render_html(run_report(result, digest=DIGEST)) for _ in range(2))
    assert first == second


def test_the_file_is_written_whole_and_never_over_another(finished, tmp_path):
    path = write_report(finished, None, markdown=False, overwrite=False)
    assert path == finished / "report.html"
    digest = json.loads((finished / "result.json").read_bytes())["digest"]
    assert digest in path.read_text("utf-8")
    path.write_text("mine", "utf-8")
    with pytest.raises(InputError, match="is there already; name another with --to"):
        write_report(finished, None, markdown=False, overwrite=False)
    assert path.read_text("utf-8") == "mine"
    write_report(finished, None, markdown=False, overwrite=True)
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert write_report(finished, None, markdown=True, overwrite=False).name == "report.md"
    named = write_report(finished, tmp_path / "new" / "a.md", markdown=False, overwrite=False)
    assert named.read_text("utf-8").startswith("# animals")
    assert not list(finished.glob(".*.partial"))


def test_what_is_damaged_is_not_reported(finished):
    path = finished / "result.json"
    path.write_text(path.read_text("utf-8").replace("0.811", "0.911"), "utf-8")
    with pytest.raises(InputError, match="was changed or damaged"):
        write_report(finished, None, markdown=False, overwrite=False)
    assert not (finished / "report.html").exists()


def test_the_command(finished, capsys):
    assert main(["report", str(finished)]) == 0
    assert capsys.readouterr().out.strip() == str(finished / "report.html")
    assert main(["report", str(finished)]) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert main(["report", str(finished.parent)]) == 2
    assert "holds no result.json" in capsys.readouterr().err
