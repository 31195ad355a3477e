"""Forms of conversations that other tools write: read whole, or refused by the key's name."""

import json

import pytest

from transferlab.domain.base.rows import turns_from_json
from transferlab.domain.sources.chat import read_chat
from transferlab.errors import DataError

PAIR = {"query": "<image>How many?", "response": "Two.", "images": ["0.png"]}
TURNS = [{"role": "user", "content": "Q1"}, {"role": "assistant", "content": "A1"}]


def read(tmp_path, *items, name="chat.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return read_chat(path)


def test_history_and_system_are_what_was_said_before_and_are_not_learned(tmp_path):
    item = PAIR | {"system": "Be careful.", "history": [["What is it?", "A disc."], ["Red?", "No"]]}
    rows, bad = read(tmp_path, item)
    assert bad == []
    assert [row["answer"] for row in rows] == ["Two."]
    assert rows[0]["prompt"] == "<image>How many?"
    *before, asked = turns_from_json(rows[0]["_turns"])
    assert [(turn.role, turn.text) for turn in before] == [
        ("system", "Be careful."),
        ("user", "What is it?"),
        ("assistant", "A disc."),
        ("user", "Red?"),
        ("assistant", "No"),
    ]
    assert asked.role == "user"
    assert not any(turn.learned for turn in before)


def test_pictures_of_the_history_come_first(tmp_path):
    item = {**PAIR, "query": "And <image>?", "images": ["0.png", "1.png"]}
    rows, _ = read(tmp_path, item | {"history": [["<image>What is it?", "A disc."]]})
    assert json.loads(rows[0]["_media"]) == [["image", "0.png"], ["image", "1.png"]]


def test_an_answer_of_weight_0_is_context_and_no_answer(tmp_path):
    turns = [TURNS[0], TURNS[1] | {"weight": 0}, TURNS[0], {**TURNS[1], "content": "A2"}]
    rows, bad = read(tmp_path, {"messages": turns})
    assert [row["answer"] for row in rows] == ["A2"]
    assert [turn.text for turn in turns_from_json(rows[0]["_turns"])] == ["Q1", "A1", ""]
    assert bad == []
    for key, value in (("loss", False), ("train", False)):
        rows, _ = read(tmp_path, {"messages": [TURNS[0], TURNS[1] | {key: value}, *TURNS]})
        assert len(rows) == 1
    _, bad = read(tmp_path, {"messages": [TURNS[0], TURNS[1] | {"weight": 0}]})
    assert "nothing to learn" in bad[0][1]
    _, bad = read(tmp_path, {"messages": [TURNS[0], TURNS[1] | {"weight": 0.3}]})
    assert "neither 0 nor 1" in bad[0][1]


def test_answers_in_a_prompt_are_context_as_trl_has_them(tmp_path):
    item = {"prompt": [*TURNS, {**TURNS[0], "content": "Q2"}], "completion": [TURNS[1]]}
    rows, bad = read(tmp_path, item)
    assert (len(rows), bad) == (1, [])
    assert [turn.text for turn in turns_from_json(rows[0]["_turns"])] == ["Q1", "A1", ""]
    item["prompt"][1] = TURNS[1] | {"weight": 1}
    assert len(read(tmp_path, item)[0]) == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("objects", {"ref": ["disc"], "bbox": [[0, 1, 2, 3]]}),
        ("audios", ["0.wav"]),
        ("label", False),
        ("label", True),
        ("weight", 0),
        ("rejected_response", "Three."),
        ("tools", "[]"),
        ("something_new", [1]),
        ("something_new", {"a": 1}),
    ],
)
def test_a_key_that_is_not_read_refuses_the_item_by_its_name(tmp_path, key, value):
    rows, bad = read(tmp_path, PAIR | {key: value}, PAIR)
    assert len(rows) == 1
    ((where, why),) = bad
    assert where == "chat.jsonl line 1"
    assert f"its key '{key}'" in why


@pytest.mark.parametrize("key", ["tool_calls", "reasoning_content", "images"])
def test_a_key_of_a_turn_likewise(tmp_path, key):
    _, bad = read(tmp_path, {"messages": [TURNS[0], TURNS[1] | {key: ["x"]}]})
    assert f"a turn's key '{key}'" in bad[0][1]


def test_what_says_nothing_is_ignored_and_plain_values_are_columns(tmp_path):
    rows, bad = read(tmp_path, PAIR | {"objects": None, "audios": [], "source": "made", "n": 3})
    assert bad == []
    assert (rows[0]["source"], rows[0]["n"]) == ("made", "3")
    rows, bad = read(tmp_path, {"messages": [TURNS[0] | {"name": "x"}, TURNS[1]]})
    assert (len(rows), bad) == (1, [])


def test_instruction_and_output_are_read_with_their_input(tmp_path):
    item = {"instruction": "<image>What is it?", "input": "Look left.", "output": "A disc."}
    rows, bad = read(tmp_path, item | {"images": ["0.png"]})
    assert bad == []
    assert rows[0]["answer"] == "A disc."
    assert rows[0]["prompt"].endswith("What is it?\nLook left.")


def test_lines_are_known_whatever_the_ending(tmp_path):
    rows, _ = read(tmp_path, PAIR, PAIR, name="chat.json")
    assert len(rows) == 2
    (tmp_path / "list.json").write_text(json.dumps([PAIR, PAIR]))
    assert len(read_chat(tmp_path / "list.json")[0]) == 2
    (tmp_path / "list.json").write_text(json.dumps([PAIR, PAIR], indent=1))
    assert len(read_chat(tmp_path / "list.json")[0]) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"messages": TURNS}, "'query' is not read beside 'messages'"),
        ({"completion": "x"}, "'completion' is not read beside 'query'"),
        ({"input": "Look left."}, "'input' is not read beside 'query'"),
        ({"answer": "x"}, "a column that is made here"),
        ({"path": "1.png"}, "a column that is made here"),
        ({"image_path": "1.png"}, "media that would not be shown"),
        ({"Images": "1.png"}, "read as 'images' only"),
        ({"Label": 0}, "how its answers are to be learned"),
        ({"bbox": "1,2,3,4"}, "how its answers are to be learned"),
        ({"functions": "[]"}, "how its answers are to be learned"),
        ({"response": "There: <bbox>"}, "placeholder <bbox>"),
        ({"query": "<image>Hear <audio>"}, "placeholder <audio>"),
        ({"query": "<img>1.png</img>What?", "images": []}, "placeholder <img>"),
        ({"images": [{"path": "0.png", "bytes": "AAAA"}]}, "key 'bytes'"),
    ],
)
def test_nothing_of_an_item_is_dropped(tmp_path, change, why):
    rows, bad = read(tmp_path, PAIR | change)
    assert rows == []
    assert why in bad[0][1]


def test_an_item_that_says_one_thing_twice_is_read(tmp_path):
    rows, bad = read(tmp_path, {"messages": TURNS, "prompt": "Q1"})
    assert (len(rows), bad) == (1, [])
    turns = [TURNS[0] | {"from": "user", "value": ""}, TURNS[1] | {"value": "A1"}]
    assert read(tmp_path, {"messages": turns})[1] == []


def said(*parts):
    return {"messages": [{"role": "user", "content": list(parts)}, TURNS[1]], "images": ["0", "1"]}


FIRST, SECOND = ({"type": "image", "index": number, "text": None} for number in (0, 1))


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"messages": [*TURNS, TURNS[0]]}, "last turn has no answer"),
        ({"messages": [TURNS[0] | {"from": "gpt"}, TURNS[1]]}, "say different things"),
        ({"messages": [TURNS[0], TURNS[1] | {"value": "A2"}]}, "say different things"),
        ({"messages": [TURNS[0] | {"loss": True}, TURNS[1]]}, "a turn that is no answer"),
        (said(SECOND, FIRST), "in another order"),
        (said(FIRST, {"type": "image", "bbox": [1, 2]}), "a part's key 'bbox'"),
        (said(FIRST | {"text": "Q"}, SECOND), "a part's key 'text'"),
        (said({"type": "image", "image": "0", "path": "1"}), "say different things"),
    ],
)
def test_nothing_of_a_turn_is_dropped(tmp_path, item, why):
    rows, bad = read(tmp_path, item)
    assert rows == []
    assert why in bad[0][1]


def test_numbered_parts_in_their_order_and_texts_as_prompt_and_completion_are_read(tmp_path):
    assert len(read(tmp_path, said(FIRST, SECOND))[0]) == 1
    rows, _ = read(tmp_path, {"prompt": "Q", "completion": "A"})
    assert (rows[0]["prompt"], rows[0]["answer"]) == ("Q", "A")


def test_a_key_that_is_written_twice_is_no_json(tmp_path):
    item = '{"query": "Q", "response": "A", "response": "B"}'
    for name, text in (("c.jsonl", item), ("c.json", f"[{item}]")):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match="names the key 'response' twice"):
            read_chat(tmp_path / name)
