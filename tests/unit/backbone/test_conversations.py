"""Conversations over every family: ids and the marks of answers are the chat template's own."""

from dataclasses import replace

import pytest
import torch
from backbone_cases import Pictures, picture, tiny
from conversation_cases import ANSWERS, LAST, SYSTEM, conversation, messages
from family_cases import FAMILIES, NEEDS, save_family
from family_parts import END
from PIL import Image

from transferlab.core.text.conversation import Turn
from transferlab.errors import DataError, ModelError

PLAIN = {
    *("paligemma", "blip-2", "blip-2 on t5", "instructblip"),
    *("idefics", "git", "florence2", "kosmos-2"),
}
"""Families without a chat template."""


@pytest.fixture(scope="module", params=list(FAMILIES))
def family(request):
    return request.param


@pytest.fixture(scope="module")
def backbone(family, tmp_path_factory):
    if family in NEEDS:
        pytest.importorskip(NEEDS[family])
    folder = save_family(family, tmp_path_factory.mktemp("family"))
    return tiny(model=str(folder), adapter=None)


@pytest.fixture
def templated(family, backbone):
    if family in PLAIN:
        pytest.skip("it has no chat template")
    return backbone


def row_of(backbone, one):
    """All tokens of a sample with its answer, the last one included, and which are supervised."""
    batch, _ = backbone.collate([one])
    ids = [*batch.input_ids[0].tolist(), int(batch.labels[0, -1])]
    return ids, [False, *(batch.labels[0] != -100).tolist()]


def own_row(backbone, said):
    """Ids and generation marks of a conversation by nothing but the family's own processor."""
    given = backbone.processor.apply_chat_template(
        said, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    ids, marks = (
        torch.as_tensor(given[key][0]).tolist() for key in ("input_ids", "assistant_masks")
    )
    return ids, [bool(one) for one in marks]


def images():
    return [Image.fromarray(Pictures()(picture(number))[0]) for number in (1, 2)]


def words_of(backbone, ids, supervised):
    chosen = [token for token, on in zip(ids, supervised, strict=True) if on]
    return "".join(backbone.processor.tokenizer.decode(chosen).split())


SAID = "".join(f"{one}{END}" for one in ANSWERS).replace(" ", "")


def test_ids_and_marks_are_the_templates_own(family, templated):
    ids, supervised = row_of(templated, conversation(learned=True))
    expected, marks = own_row(templated, messages(images=images()))
    assert ids == expected[: len(ids)]
    # Of IDEFICS 2, transformers 5.24 does not move marks by what pictures stand for.
    assert supervised == marks[: len(ids)] or family == "idefics2"
    # Nothing but what a model never writes stands behind it.
    assert templated.processor.tokenizer.decode(expected[len(ids) :]).strip() == ""
    assert words_of(templated, ids, supervised) == SAID


def test_marks_are_the_templates_own_without_pictures(templated):
    one = conversation(learned=True).without_media()
    ids, supervised = row_of(templated, replace(one, id="words"))
    said = [
        {**turn, "content": [part for part in turn["content"] if part["type"] == "text"]}
        for turn in messages()
    ]
    expected, marks = own_row(templated, said)
    assert ids == expected[: len(ids)]
    assert supervised == marks[: len(ids)]


def test_a_film_of_an_earlier_turn_is_its_frames_there(family, templated):
    if family == "llava_onevision":
        pytest.skip("it shows a lone picture in more tiles")
    one = conversation(learned=True, media=(picture(1, frames=2), picture(2)), id="film")
    ids, supervised = row_of(templated, one)
    assert words_of(templated, ids, supervised) == SAID
    first = replace(one, history=one.history[:1], prompt=one.history[1].text, media=one.media[:1])
    begin = templated.collator.prompt(replace(first, id="first")).ids
    assert ids[: len(begin)] == begin


def test_without_marks_of_its_own_exactly_the_answers_and_their_ends_are_marked(
    family, templated, monkeypatch
):
    marked = templated.processor.chat_template
    bare = marked.replace("{% generation %}", "").replace("{% endgeneration %}", "")
    expected, marks = own_row(templated, messages(images=images()))
    monkeypatch.setattr(templated.processor, "chat_template", bare)
    ids, supervised = row_of(templated, conversation(learned=True, id="bare"))
    assert ids == expected[: len(ids)]
    assert words_of(templated, ids, supervised) == SAID
    # These templates mark the line break after an end token too, which nothing writes.
    apart = [token for token, a, b in zip(ids, supervised, marks, strict=False) if a != b]
    assert templated.processor.tokenizer.decode(apart).strip() == "" or family == "idefics2"


def test_by_default_the_last_answer_alone_is_learned(backbone):
    one = conversation()
    batch, targets = backbone.collate([one])
    assert backbone.processor.tokenizer.decode(targets) == f"{ANSWERS[-1]}{END}"
    labels = batch.labels[0]
    assert (labels[-len(targets) :] != -100).all()
    assert (labels[: -len(targets)] == -100).all()


def test_what_is_scored_and_generated_has_the_same_prompt_and_no_earlier_label(templated):
    one, learned = conversation(), conversation(learned=True)
    for given in (one, learned):
        batch = templated.collator.choices([given], ["yes"])
        assert batch.answer_tokens == len(templated.collator.answer(given, "yes"))
        assert templated.collator.prompts([given]).answer_tokens == 0
    assert templated.collator.prompt(one).ids == templated.collator.prompt(learned).ids
    alone, _ = templated.collate([learned.answered("yes")])
    assert alone.answer_tokens == len(templated.collator.answer(one, "yes"))


def test_a_batch_marks_each_of_its_conversations(templated):
    short = conversation(learned=True, system=None, id="short")
    samples = [conversation(learned=True), short, conversation(id="context")]
    together, _ = templated.collate(samples)
    for row, one in enumerate(samples):
        alone, _ = templated.collate([one])
        width = alone.labels.shape[1]
        assert torch.equal(together.labels[row, -width:], alone.labels[0])
        assert torch.equal(together.input_ids[row, -width:], alone.input_ids[0])
        assert (together.labels[row, :-width] == -100).all()


def test_learning_all_answers_is_learning_each_after_what_was_said_before(templated):
    """The likelihoods of a conversation's answers in one pass are those of a sample per answer."""
    # Without pictures: LLaVA-OneVision shows a lone one in more tiles than one of two.
    learned = conversation(learned=True).without_media()
    together = log_likelihoods(templated, learned)
    parts = [
        replace(learned, history=learned.history[:1], prompt=learned.history[1].text, id="1"),
        replace(learned, history=learned.history[:3], prompt=learned.history[3].text, id="2"),
        replace(learned, id="3"),
    ]
    parts = [replace(one, answer=said) for one, said in zip(parts, ANSWERS, strict=True)]
    apart = [log_likelihoods(templated, one.answered(one.answer)) for one in parts]
    # The template marks a line break after an end token where the conversation goes on.
    at = 0
    for one in apart:
        found = together[at : at + len(one)]
        torch.testing.assert_close(found, one, atol=1e-3, rtol=1e-3)
        at += len(one) + (len(together) - sum(map(len, apart))) // 2


def log_likelihoods(backbone, one):
    batch, targets = backbone.collate([one])
    backbone.module.eval()
    with torch.no_grad():
        logits = backbone.module(batch).float().log_softmax(dim=-1)
    return logits.gather(1, targets.unsqueeze(1)).flatten()


def test_a_family_without_a_template_reads_one_text_and_learns_the_last_answer(family, backbone):
    if family not in PLAIN:
        pytest.skip("it has a chat template")
    one = conversation()
    flat = replace(one, history=(), prompt=one.full_prompt, id="flat")
    assert flat.prompt == (
        f"{SYSTEM}\nUser: <image>What does it show?\nAssistant: {ANSWERS[0]}\n"
        f"User: And where? See <image>too.\nAssistant: {ANSWERS[1]}\nUser: {LAST}"
    )
    assert row_of(backbone, one) == row_of(backbone, flat)
    with pytest.raises(ModelError, match=r"no chat template .*options\.answers") as caught:
        backbone.collate([conversation(learned=True, id="all")])
    assert "\n" not in str(caught.value)


def with_tool():
    history = (
        Turn(role="user", text="<image>How wide is it?"),
        Turn(role="assistant", text="measure(heart)"),
    )
    return conversation(
        history=history, prompt="12 cm", role="tool", media=(picture(1),), answer="12 cm wide"
    )


def test_what_a_tool_says_keeps_its_role_or_is_refused(family, backbone):
    one = with_tool()
    if family in PLAIN:
        with pytest.raises(
            DataError, match=r"'s0' of 'toy' has a turn of a tool, a role"
        ) as caught:
            backbone.length_tokens(one)
        assert "\n" not in str(caught.value)
        return
    ids, _ = row_of(backbone, one)
    said = [
        {"role": "user", "content": [{"type": "image", "image": images()[0]},
                                     {"type": "text", "text": "How wide is it?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "measure(heart)"}]},
        {"role": "tool", "content": [{"type": "text", "text": "12 cm"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "12 cm wide"}]},
    ]  # fmt: skip
    assert ids == own_row(backbone, said)[0][: len(ids)]


@pytest.fixture(scope="module")
def embedded():
    return tiny(adapter=None)


def test_the_embedded_backbone_has_a_system_text_before_the_users_words(embedded):
    ids, supervised = row_of(embedded, conversation(learned=True))
    expected, marks = own_row(embedded, messages(images=images()))
    assert ids == expected
    assert supervised == marks
    assert words_of(embedded, ids, supervised) == SAID
    text = embedded.collator.chat.prompt_text(conversation().turns, [1, 1])
    assert text == (
        f"<s><|user|>{SYSTEM}\n\n<image>What does it show?<|assistant|>{ANSWERS[0]}</s>"
        f"<|user|>And where? See<image>too.<|assistant|>{ANSWERS[1]}</s><|user|>{LAST}<|assistant|>"
    )


def test_the_embedded_backbone_knows_no_tools(embedded):
    with pytest.raises(DataError, match=r"turn of a tool, a role .* write the turn as a user's"):
        embedded.collate([with_tool()])


def test_the_loss_of_a_conversation_falls_on_all_of_its_answers():
    with_adapter = tiny()
    one = conversation(learned=True)
    before = log_likelihoods(with_adapter, one)
    optimizer = torch.optim.AdamW(with_adapter.module.parameters(), lr=1e-2)
    with_adapter.module.train()
    for _ in range(12):
        batch, targets = with_adapter.collate([one])
        loss = torch.nn.functional.cross_entropy(with_adapter.module(batch), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    gained = log_likelihoods(with_adapter, one) - before
    lengths = [len(with_adapter.collator.answer(conversation(), said)) for said in ANSWERS]
    assert sum(lengths) == len(gained)
    assert all(part.mean() > 0.5 for part in gained.split(lengths))
