"""How long a domain's samples are for a backbone, measured before anything is trained."""

from __future__ import annotations

from transferlab.backbone.load import load_backbone
from transferlab.backbone.seen import length_tokens
from transferlab.config.pipeline import BackboneSection
from transferlab.domain.check import Ruler
from transferlab.domain.media import decode
from transferlab.domain.sound import decode_sound


def ruler_of(section: BackboneSection) -> Ruler:
    """What ``check_domain`` measures samples with; the backbone's weights are not used.

    Raises:
        ModelError: there is no such backbone.
    """
    plain = section.model_copy(update={"adapter": None, "device": "cpu"})
    backbone = load_backbone(plain, decode=decode, hear=decode_sound, seed=0)
    return Ruler(
        length_tokens=lambda sample: length_tokens(backbone, sample),
        limit_tokens=section.max_length_tokens,
    )
