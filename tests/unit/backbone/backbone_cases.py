"""What the backbone tests share: samples over made-up pictures, and small models."""

from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoTokenizer,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import BackboneSection
from transferlab.core.records import MediaRef, Sample
from transferlab.tiny.architecture import ASSETS

END_OF_TURN = "<end_of_utterance>"
IDEFICS_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize }}:"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %} {{ part['text'] | trim }}{% endif %}"
    "{% endfor %}" + END_OF_TURN + "\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


class Pictures:
    """Decodes a reference into noise that depends on its file name only, and counts the calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, ref: MediaRef) -> list[np.ndarray]:
        self.calls += 1
        random = np.random.default_rng(int(ref.path.stem))
        shape = (ref.frames, 90, 120, 3)
        return list(random.integers(0, 256, shape, dtype=np.uint8))


def picture(number: int, *, frames: int = 1, sound: bool = False) -> MediaRef:
    kind = "image" if frames == 1 else "video"
    return MediaRef(kind=kind, path=Path(f"{number}.png"), frames=frames, sound=sound)


def noise(ref: MediaRef) -> np.ndarray:
    """A tenth of a second and more of noise that depends on the file name only."""
    number = int(ref.path.stem)
    random = np.random.default_rng(number)
    return random.uniform(-1, 1, 1600 * (1 + number % 20)).astype(np.float32)


def sample(number: int = 0, *, choices: tuple[str, ...] = (), **changes) -> Sample:
    given = {
        "id": f"s{number}",
        "domain": "toy",
        "task": "finding",
        "kind": "classify" if choices else "answer",
        "media": (picture(number),),
        "prompt": "<image>\nWhich finding does the image show?",
        "answer": choices[0] if choices else "pleural effusion",
        "choices": choices,
    }
    return Sample(**{**given, **changes})


def tiny(pictures=None, *, seed=0, fresh=False, sharing=None, decode_audio=None, **section):
    """The embedded backbone on the CPU, unless ``section`` says otherwise."""
    return load_backbone(
        BackboneSection(device="cpu", **section),
        decode=pictures or Pictures(),
        decode_audio=decode_audio,
        seed=seed,
        fresh=fresh,
        sharing=sharing,
    )


def losses_of(backbone, samples, *, steps: int) -> list[float]:
    """Of some steps on one batch; the parameters are then put back."""
    state = backbone.trainable_state()
    optimizer = torch.optim.AdamW(backbone.module.parameters(), lr=1e-2)
    batch, targets = (one.to(backbone.device) for one in backbone.collate(samples))
    losses = []
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(backbone.module(batch), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    backbone.load_trainable_state(state)
    return losses


def waken(backbone) -> None:
    """Give the adapter values that change the model: LoRA starts as no change at all."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in backbone.module.parameters():
            noise_of = 0.05 * torch.randn(parameter.shape, generator=random)
            parameter.add_(noise_of.to(parameter))


def _idefics_config(kind: type, tokenizer):
    vision = {
        "image_size": 56,
        "patch_size": 14,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    text = {
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return kind(
        vision_config=vision,
        text_config=text,
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )


def save_idefics(family: str, folder: Path) -> Path:
    """Write a random model whose pictures become tiles in one group, a mask beside the pixels."""
    tokenizer = AutoTokenizer.from_pretrained(ASSETS)
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)]
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>", "<global-img>", *tiles]})
    images = Idefics3ImageProcessor(size={"longest_edge": 112}, max_image_size={"longest_edge": 56})
    processor = Idefics3Processor(
        images, tokenizer, image_seq_len=4, chat_template=IDEFICS_TEMPLATE
    )
    config_kind, model_kind = {
        "idefics3": (Idefics3Config, Idefics3ForConditionalGeneration),
        "smolvlm": (SmolVLMConfig, SmolVLMForConditionalGeneration),
    }[family]
    torch.manual_seed(0)
    model = model_kind(_idefics_config(config_kind, processor.tokenizer))
    model.generation_config.eos_token_id = processor.tokenizer.convert_tokens_to_ids(END_OF_TURN)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def only_sentence(error) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 400
    return text
