"""The tiny architectures that are no stock ones, made known to transformers: no remote code."""

from transformers import AutoConfig, AutoModelForImageTextToText

from transferlab.backbone.tiny.fusion_cross_attention import (
    CrossAttentionConfig,
    CrossAttentionForConditionalGeneration,
)
from transferlab.backbone.tiny.fusion_resampler import (
    ResamplerConfig,
    ResamplerForConditionalGeneration,
)

for _config, _model in (
    (CrossAttentionConfig, CrossAttentionForConditionalGeneration),
    (ResamplerConfig, ResamplerForConditionalGeneration),
):
    AutoConfig.register(_config.model_type, _config)
    AutoModelForImageTextToText.register(_config, _model)
