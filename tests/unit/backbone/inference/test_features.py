"""Features: which positions they are the mean of."""

import numpy as np
import pytest
import torch
from backbone_cases import picture, sample

from transferlab.errors import ModelError

SAMPLES = [
    sample(0),
    sample(1, media=(picture(1), picture(2)), prompt="<image> and <image>: what changed?"),
    sample(2, media=(), prompt="What is an effusion?"),
]


def test_features_do_not_depend_on_the_batch(any_backbone):
    together = any_backbone.features(SAMPLES, batch_samples=3)
    alone = any_backbone.features(SAMPLES, batch_samples=1)
    for name in ("image", "text", "joint"):
        ours = getattr(together, name)
        assert ours.shape[0] == 3
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, getattr(alone, name), atol=1e-4)


def test_image_features_are_the_projected_tokens_and_zero_without_media(plain):
    features = plain.features(SAMPLES, batch_samples=3)
    batch, _ = plain.collate(SAMPLES)
    with torch.no_grad():
        projected = plain.model.get_base_model().get_image_features(batch.media["pixel_values"])
    tokens = torch.stack(list(projected.pooler_output))
    expected = [tokens[0].mean(0), tokens[1:].mean((0, 1)), torch.zeros(tokens.shape[-1])]
    np.testing.assert_allclose(features.image, torch.stack(expected).numpy(), atol=1e-5)


def test_text_features_see_the_words_and_not_the_pictures(plain):
    here, there, other = plain.features(
        [sample(0), sample(5), sample(0, prompt="<image>\nHow old?")], batch_samples=3
    ).text
    np.testing.assert_allclose(here, there, atol=1e-6)
    assert np.abs(here - other).max() > 1e-3


def test_answers_are_left_out(plain):
    one = plain.features([sample(answer="yes")], batch_samples=1)
    two = plain.features([sample(answer="a mass in the left lobe")], batch_samples=1)
    np.testing.assert_array_equal(one.joint, two.joint)


def test_a_model_without_embeddings_is_refused(plain, monkeypatch):
    inner = plain.model.get_base_model()
    monkeypatch.setattr(inner, "get_decoder", lambda: inner.model.vision_tower)
    with pytest.raises(ModelError, match="takes no embeddings"):
        plain.features(SAMPLES[:1], batch_samples=1)
