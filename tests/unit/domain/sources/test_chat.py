"""Conversations in the forms that other trainers read, and what is wrong with some."""

import json

import pytest
from domain_cases import write_picture, write_settings

from transferlab.core.records import SPLITS
from transferlab.domain.base.rows import turns_from_json
from transferlab.domain.loader import load_domain
from transferlab.domain.sources.chat import read_chat
from transferlab.errors import DataError, InputError

LLAVA = {
    "id": "7",
    "image": "a.png",
    "conversations": [
        {"from": "human", "value": "<image>\nWhat is it?"},
        {"from": "gpt", "value": "A heart."},
        {"from": "human", "value": "Is it large?"},
        {"from": "gpt", "value": "No."},
    ],
}
LLAMA_FACTORY = {
    "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "<video>Then <image>?"},
        {"role": "assistant", "content": "Yes"},
    ],
    "images": ["a.png"],
    "videos": ["b.mp4"],
    "source": "ward 3",
}
TRL = {
    "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]}],
    "completion": [{"role": "assistant", "content": [{"type": "text", "text": "A lung"}]}],
    "images": [{"path": "a.png"}],
}
INLINE = {
    "messages": [
        {"role": "user", "content": [{"type": "image", "path": "a.png"}]},
        {"role": "assistant", "content": "A rib"},
    ]
}
SWIFT = {"query": "<image>What?", "response": "A rib", "images": ["a.png"]}


def write(tmp_path, *items):
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(list(items)))
    return path


def said_before(row):
    return [(turn.role, turn.text) for turn in turns_from_json(row["_turns"])[:-1]]


def test_every_answer_of_a_llava_conversation_is_a_row(tmp_path):
    (first, second), bad = read_chat(write(tmp_path, LLAVA))
    assert bad == []
    assert (first["prompt"], first["answer"]) == ("<image>\nWhat is it?", "A heart.")
    assert second["answer"] == "No."
    assert second["prompt"] == "Is it large?"
    assert said_before(second) == [("user", "<image>\nWhat is it?"), ("assistant", "A heart.")]
    assert "_turns" not in first
    assert second["turn"] == "2"
    assert first["about"] == second["about"] == "a.png"
    assert json.loads(second["_media"]) == [["image", "a.png"]]
    assert second["_where"] == "chat.json item 1, answer 2"


@pytest.mark.parametrize(
    ("item", "prompt", "media"),
    [
        (
            LLAMA_FACTORY,
            "<image>Then <image>?",
            [["video", "b.mp4"], ["image", "a.png"]],
        ),
        (TRL, "<image>What?", [["image", "a.png"]]),
        (INLINE, "<image>", [["image", "a.png"]]),
        (SWIFT, "<image>What?", [["image", "a.png"]]),
    ],
)
def test_other_forms(tmp_path, item, prompt, media):
    (row,), bad = read_chat(write(tmp_path, item))
    assert bad == []
    assert row["prompt"] == prompt
    if item is LLAMA_FACTORY:
        assert said_before(row) == [("system", "Be short.")]
    assert json.loads(row["_media"]) == media
    assert row.get("source", "ward 3") == "ward 3"


def changed(**changes):
    return LLAVA | changes


BAD = {
    "a placeholder without its image": (changed(image=None), "1 placeholder(s) <image>, and 0"),
    "an image without a placeholder": (changed(image=["a.png", "b.png"]), "and 2 are given"),
    "no turns": ({"id": "1"}, "no list 'messages'"),
    "no answer": (changed(conversations=LLAVA["conversations"][:1]), "it has no answer"),
    "odd role": (changed(conversations=[{"from": "narrator", "value": "x"}]), "the role of one"),
    "a call": (changed(conversations=[{"from": "function_call", "value": "x"}]), "'function_call'"),
    "no text": (changed(conversations=[{"from": "gpt", "value": None}]), "has no text"),
    "an address": (changed(image="https://x.org/a.png"), "download it first"),
    "bytes": (changed(image={"bytes": "xx"}), "is no path"),
    "a placeholder in an answer": (
        changed(image=["a", "b"], conversations=[*LLAVA["conversations"][:1],
                                                 {"from": "gpt", "value": "<image>"}]),
        "answer 1 has a media placeholder",
    ),
    "audio": (
        {"messages": [{"role": "user", "content": [{"type": "audio"}]}]},
        "neither text, image nor video",
    ),
    "no object": (["x"], "not a JSON object"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_conversation_is_named_and_the_others_stay(tmp_path, case):
    item, says = BAD[case]
    rows, bad = read_chat(write(tmp_path, SWIFT, item))
    assert len([row for row in rows if row["_where"].startswith("chat.json item 1,")]) == 1
    ((where, why),) = bad
    assert where == "chat.json item 2"
    assert says in why


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[]", "[" * 100_000])
def test_a_file_that_is_no_list_of_conversations(tmp_path, text):
    path = tmp_path / "chat.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"chat\.json"):
        read_chat(path)


def chat_domain(folder, items, **changes):
    folder.mkdir(exist_ok=True)
    (folder / "chat.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    source = {
        "kind": "chat",
        "path": "chat.jsonl",
        "media": {"image": {"kind": "image", "path": "pictures/{path}"}},
    }
    task = {"kind": "answer", "prompt": "{prompt}", "answer": "{answer}", "metrics": ["token_f1"]}
    settings = {"source": source, "group": "about", "attributes": [], "tasks": {"talk": task}}
    return write_settings(folder, **(settings | changes))


def test_conversations_become_samples_with_their_media(tmp_path):
    items = [LLAVA | {"id": str(n), "image": f"{n}.png"} for n in range(12)]
    for n in range(12):
        write_picture(tmp_path / "d" / "pictures" / f"{n}.png", n)
    data = load_domain(chat_domain(tmp_path / "d", items))
    samples = [one for side in SPLITS for one in data.splits[side]]
    assert len(samples) == 24
    assert {len(one.media) for one in samples} == {1}
    assert len({one.group for one in samples}) == 12
    assert {one.media[0].path.parent.name for one in samples} == {"pictures"}


def test_a_bad_item_stops_or_is_quarantined_and_a_mark_in_the_prompt_is_refused(tmp_path):
    items = [LLAVA | {"id": str(n), "image": f"{n}.png"} for n in range(12)]
    for n in range(12):
        write_picture(tmp_path / "d" / "pictures" / f"{n}.png", n)
    items[3] = items[3] | {"image": "../../secret.png"}
    items.append({"id": "x"})
    entry = chat_domain(tmp_path / "d", items)
    with pytest.raises(DataError, match=r"chat\.jsonl line 13: it has no list"):
        load_domain(entry)
    bad = load_domain(entry, on_bad_sample="quarantine").quarantined
    assert [one.where for one in bad] == [
        "chat.jsonl line 13",
        "chat.jsonl line 4, answer 1",
        "chat.jsonl line 4, answer 2",
    ]
    task = {"kind": "answer", "prompt": "<image>{prompt}", "answer": "{answer}", "metrics": ["x"]}
    with pytest.raises(InputError, match="in a chat, media stand where"):
        load_domain(
            chat_domain(tmp_path / "d", items, tasks={"talk": task}), on_bad_sample="quarantine"
        )
