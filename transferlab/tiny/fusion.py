"""The tiny architectures that are no stock ones, made known to transformers: no remote code."""

from transformers import AutoConfig, AutoModelForImageTextToText

from transferlab.tiny.fusion_cross_attention import (
    CrossAttentionConfig,
    CrossAttentionForConditionalGeneration,
)
from transferlab.tiny.fusion_resampler import (
    ResamplerConfig,
    ResamplerForConditionalGeneration,
)

for _config, _model in (
    (CrossAttentionConfig, CrossAttentionForConditionalGeneration),
    (ResamplerConfig, ResamplerForConditionalGeneration),
):
    AutoConfig.register(_config.model_type, _config)
    AutoModelForImageTextToText.register(_config, _model)
