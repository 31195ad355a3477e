"""How long a domain's samples are for a backbone, measured before anything is trained."""

from __future__ import annotations

from transferlab.backbone.loader import load_backbone
from transferlab.backbone.preview import length_tokens
from transferlab.config.pipeline import BackboneSection
from transferlab.domain.media.audio import decode_audio
from transferlab.domain.media.decoder import decode
from transferlab.domain.validation.domain_check import Ruler


def ruler_of(section: BackboneSection) -> Ruler:
    """What ``check_domain`` measures samples with; the backbone's weights are not used.

    Raises:
        ModelError: there is no such backbone.
    """
    plain = section.model_copy(update={"adapter": None, "device": "cpu"})
    backbone = load_backbone(plain, decode=decode, decode_audio=decode_audio, seed=0)
    return Ruler(
        length_tokens=lambda sample: length_tokens(backbone, sample),
        limit_tokens=section.max_length_tokens,
    )
