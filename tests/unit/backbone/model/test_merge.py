"""Adapters put together parameter by parameter, by peft."""

import pytest
import torch

from transferlab.backbone.model.adapters import merge_tensors

FIRST, SECOND = torch.tensor([4.0, -3.0, 0.1, 0.0]), torch.tensor([2.0, 1.0, 0.2, -5.0])


def merged(method, density=0.5, weights=(1.0, 1.0)):
    torch.manual_seed(0)
    (found,) = merge_tensors([(FIRST, SECOND)], method=method, weights=weights, density=density)
    return found


def test_linear_is_the_weighted_sum():
    torch.testing.assert_close(merged("linear", weights=(0.5, 0.25)), 0.5 * FIRST + 0.25 * SECOND)


def test_ties_drops_small_values_and_those_against_the_larger_sign():
    # Half of each is kept: 4 and -3, 2 and -5; nobody disagrees; agreeing values are averaged.
    torch.testing.assert_close(merged("ties"), torch.tensor([3.0, -3.0, 0.0, -5.0]))


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_dare_keeps_a_share_and_scales_it_up(method):
    whole = merge_tensors(
        [(torch.ones(4000), torch.ones(4000))], method=method, weights=[0.5, 0.5], density=0.25
    )[0]
    assert float((whole == 0).float().mean()) == pytest.approx(0.75**2, abs=0.05)
    assert set(whole.unique().tolist()) <= {0.0, 2.0, 4.0}
    assert torch.equal(merged(method), merged(method)), "drawn from torch's generator"
