"""Which domain's adapter answers a question."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from transferlab.continual.strategies import per_domain
from transferlab.continual.strategies.per_domain import PerDomain, PerDomainOptions


@pytest.fixture
def features(monkeypatch):
    """Samples are their features here."""
    monkeypatch.setattr(per_domain, "features_of", lambda _, samples: torch.stack(list(samples)))


def after(plugin: PerDomain, domain: str, samples: torch.Tensor) -> SimpleNamespace:
    strategy = SimpleNamespace(
        settings=SimpleNamespace(domain=domain),
        trainable=[torch.zeros(3)],
        device="cpu",
        experience=SimpleNamespace(dataset=[(sample,) for sample in samples]),
    )
    plugin._first = torch.zeros(3)
    plugin.after_training_exp(strategy)
    return strategy


def drawn(mean, *, seed: int, samples: int = 100) -> torch.Tensor:
    """(samples, 2): far apart where both go up or down together, close across that."""
    covariance = [[10.0, 9.99], [9.99, 10.0]]
    found = np.random.default_rng(seed).multivariate_normal(mean, covariance, samples)
    return torch.from_numpy(found).float()


def test_features_that_go_up_and_down_together_do_not_mislead(features):
    plugin = PerDomain(PerDomainOptions(), seed=0)
    after(plugin, "here", drawn([0, 0], seed=1))
    strategy = after(plugin, "there", drawn([6, 2], seed=2))
    asked = [torch.tensor(at) for at in ([8.0, 8.0], [-2.0, -6.0], [0.1, 0.0], [6.0, 2.1])]
    to_means = torch.cdist(torch.stack(asked), torch.stack(list(plugin.prototypes.values())))
    assert to_means.argmin(dim=1).tolist() == [1, 0, 0, 1]  # what means alone would say
    assert plugin.routes(strategy, asked) == ["here", "there", "here", "there"]


def test_the_covariance_is_the_mean_over_domains_and_comes_back(features):
    plugin = PerDomain(PerDomainOptions(prototype_samples=1000), seed=0)
    some = [drawn([0, 0], seed=seed, samples=1000) for seed in range(3)]
    for at, samples in enumerate(some):
        strategy = after(plugin, f"domain {at}", samples)
    plain = torch.stack([torch.cov(one.T, correction=0) for one in some]).mean(dim=0)
    torch.testing.assert_close(plugin.covariance, plain, rtol=0.02, atol=0)
    again = PerDomain(PerDomainOptions(), seed=0)
    again.load_state_dict(plugin.state_dict(), dataset_of=None)
    asked = list(drawn([1, 2], seed=9))
    assert again.routes(strategy, asked) == plugin.routes(strategy, asked)


def test_one_sample_per_domain_is_enough_for_a_route(features):
    plugin = PerDomain(PerDomainOptions(prototype_samples=1), seed=0)
    after(plugin, "here", drawn([0, 0], seed=1))
    strategy = after(plugin, "there", drawn([40, 30], seed=2))
    asked = [torch.tensor([1.0, 0.0]), torch.tensor([39.0, 30.0])]
    assert plugin.routes(strategy, asked) == ["here", "there"]
