"""Fusion by gated cross-attention: layers between the language model's own look at the pictures."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, Cache, LlavaConfig, LlavaForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.llava.modeling_llava import (
    LlavaModelOutputWithPast,
    LlavaPreTrainedModel,
)
from transformers.models.mllama.modeling_mllama import MllamaTextModel

from transferlab.tiny.fusion_positions import FeaturePositions, subconfigs

_FIELDS = frozenset(field.name for field in fields(LlavaModelOutputWithPast))
CACHE = "cache" if "cache" in _FIELDS else "past_key_values"
"""What transformers calls the cache of keys and values: "cache" from 5.24 on."""


class CrossAttentionConfig(LlavaConfig):
    """A LLaVA's, with the text configuration of a Mllama; one image token stands for a picture."""

    model_type = "transferlab_cross_attention"

    num_image_positions: int = 49
    """Of the vision tower's features."""
    max_pictures: int = 16
    """The most that a prompt may show, frames counted."""
    gate: float = 0.0
    """What gates begin with, before tanh: 0 is closed, as beside a trained language model."""


class CrossAttentionModel(LlavaPreTrainedModel):
    """A vision tower beside Mllama's language model, whose gated layers attend to its features.

    A word sees every picture before it, as it would if they stood among the words.
    """

    config_class = CrossAttentionConfig
    _supports_flash_attn = False

    def __init__(self, config: CrossAttentionConfig) -> None:
        super().__init__(config)
        vision, text = subconfigs(config)
        self.vision_tower = AutoModel.from_config(config.vision_config)
        self.multi_modal_projector = nn.Sequential(
            FeaturePositions(config), nn.Linear(vision.hidden_size, text.hidden_size)
        )
        self.language_model = MllamaTextModel._from_config(text)
        # Mllama has rows for special tokens beyond the vocabulary, which cannot be tied.
        self.language_model.embed_tokens = nn.Embedding(
            text.vocab_size, text.hidden_size, text.pad_token_id
        )
        for at in text.cross_attention_layers:
            layer = self.language_model.layers[at]
            # Without a mask, as when an answer goes on after a cached prompt, attention is taken
            # for causal otherwise, and the answer's first word sees one place only.
            layer.cross_attn.is_causal = False
            nn.init.constant_(layer.cross_attn_attn_gate, config.gate)
            nn.init.constant_(layer.cross_attn_mlp_gate, config.gate)
        # Number 0 stands alone: words before the first picture have nothing else to look at.
        self.numbers = nn.Parameter(0.1 * torch.randn(1 + config.max_pictures, text.hidden_size))
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: Cache | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        **unread: Any,
    ) -> LlavaModelOutputWithPast:
        """What else LLaVA's own ``forward`` takes, such as another vision layer, is not read.

        The cache comes under the name that the installed transformers has for it.

        Args:
            input_ids: (B, S) int64, one image token for each picture; as many in every row.
            pixel_values: (B * pictures, 3, H, W), row by row; None where no row has a picture, and
                once the cache holds them.

        Raises:
            ValueError: pictures and image tokens do not match, there are too many, or embeddings
                are given, which do not say where pictures stand.
        """
        if input_ids is None or inputs_embeds is not None:
            raise ValueError("input_ids are needed, not embeddings: they say where pictures stand")
        features, mask = None, None
        if pixel_values is not None:
            features = self._pictures(pixel_values, rows=len(input_ids))
            mask = self._mask(input_ids, pictures=len(pixel_values) // len(input_ids))
        outputs = self.language_model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cross_attention_states=features,
            cross_attention_mask=mask,
            **{CACHE: cache if past_key_values is None else past_key_values},
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
        )
        return LlavaModelOutputWithPast(
            last_hidden_state=outputs.last_hidden_state,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            **{CACHE: getattr(outputs, CACHE)},
            **_image_output(features),
        )

    def _pictures(self, pixel_values: Tensor, *, rows: int) -> Tensor:
        """(B, 1 + pictures * positions, width): number 0, then the positions of every picture."""
        tower = self.vision_tower(pixel_values, output_hidden_states=True)
        shown = self.multi_modal_projector(tower.hidden_states[self.config.vision_feature_layer])
        pictures = len(shown) // rows
        if pictures * rows != len(shown) or pictures > self.config.max_pictures:
            raise ValueError(
                f"{len(shown)} pictures for {rows} rows: as many must be in every row, at most "
                f"{self.config.max_pictures}"
            )
        shown = shown.unflatten(0, (rows, pictures))
        shown = shown + self.numbers[1 : 1 + pictures, None]
        return torch.cat([self.numbers[:1].expand(rows, 1, -1), shown.flatten(1, 2)], dim=1)

    def _mask(self, input_ids: Tensor, *, pictures: int) -> Tensor:
        """(B, 1, S, 1 + pictures * positions): 0 where a word sees a position, else very low."""
        image = input_ids == self.config.image_token_index
        if not torch.compiler.is_compiling() and bool((image.sum(dim=1) != pictures).any()):
            raise ValueError(f"every row must have {pictures} image tokens, one for each picture")
        number = torch.arange(pictures, device=input_ids.device)
        hidden = number >= image.cumsum(dim=1).unsqueeze(-1)
        hidden = hidden.repeat_interleave(self.config.num_image_positions, dim=-1)
        hidden = nn.functional.pad(hidden, (1, 0), value=False).unsqueeze(1)
        low = torch.finfo(self.dtype).min
        return torch.zeros(hidden.shape, dtype=self.dtype, device=hidden.device).masked_fill(
            hidden, low
        )


def _image_output(features: Tensor | None) -> dict[str, Any]:
    """The features of pictures under the name that the installed transformers has for them."""
    if "image_hidden_states" in _FIELDS:
        return {"image_hidden_states": features}
    output = None if features is None else BaseModelOutputWithPooling(pooler_output=features)
    return {"image_outputs": output}


class CrossAttentionForConditionalGeneration(LlavaForConditionalGeneration):
    """The model and its output layer."""

    config_class = CrossAttentionConfig
    _supports_flash_attn = False

    def __init__(self, config: CrossAttentionConfig) -> None:
        # LLaVA's own would make a language model that knows no pictures.
        LlavaPreTrainedModel.__init__(self, config)
        self.model = CrossAttentionModel(config)
        _, text = subconfigs(config)
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()
