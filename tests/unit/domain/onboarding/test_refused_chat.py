"""Conversations that say more than is read are named by the key that says it."""

import json

import pytest
from domain_cases import write_picture

from transferlab.domain.onboarding.proposal import propose
from transferlab.errors import InputError


@pytest.mark.parametrize("key", ["audios", "objects", "rejected_response"])
def test_why_none_of_them_can_be_used_is_said(tmp_path, key):
    turns = [{"role": "user", "content": "<image>Where?"}, {"role": "assistant", "content": "here"}]
    for number in range(3):
        write_picture(tmp_path / "images" / f"{number}.png", number)
    items = [{"messages": turns, "images": [f"images/{n}.png"], key: ["x"]} for n in range(3)]
    (tmp_path / "chat.jsonl").write_text("\n".join(map(json.dumps, items)), "utf-8")
    with pytest.raises(InputError, match=rf"3 cannot be used; chat.jsonl line 1: its key '{key}'"):
        propose(tmp_path, name="c")


def test_a_table_without_conversations_is_not_taken_for_some(tmp_path):
    write_picture(tmp_path / "a.png", 1)
    (tmp_path / "rows.jsonl").write_text(json.dumps({"label": "x", "note": "y"}), "utf-8")
    with pytest.raises(InputError, match="no table with a column of those files' names"):
        propose(tmp_path, name="c")
