"""The door to Avalanche: everything transferlab takes from it is imported here.

Importing Avalanche takes seconds: it brings torchvision, wandb, tensorboard and matplotlib. So only
the modules that train import this one; checking a pipeline does not.
"""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OWN_FOLDER = "~/.avalanche"


@contextmanager
def _keep_home_untouched() -> Iterator[None]:
    """Let Avalanche write its list of data sets, as it does when it is imported, into a folder that
    goes again: transferlab uses none of them, and a home may be read-only. One that is there holds.
    """
    expand = os.path.expanduser
    if os.path.exists(expand(f"{_OWN_FOLDER}/config.json")):
        yield
        return
    with tempfile.TemporaryDirectory() as folder:

        def expand_elsewhere(path: Any) -> Any:
            own = isinstance(path, str) and path.startswith(_OWN_FOLDER)
            return path.replace(_OWN_FOLDER, folder, 1) if own else expand(path)

        os.path.expanduser = expand_elsewhere
        try:
            yield
        finally:
            os.path.expanduser = expand


with warnings.catch_warnings(), _keep_home_untouched():
    # qpsolvers warns that it found no solver; of Avalanche's strategies only GEM would want one.
    warnings.filterwarnings("ignore", message="no QP solver found")
    from avalanche.benchmarks.datasets.dataset_utils import set_dataset_root
    from avalanche.benchmarks.scenarios.dataset_scenario import DatasetExperience
    from avalanche.benchmarks.utils.classification_dataset import (
        TaskAwareSupervisedClassificationDataset,
    )
    from avalanche.benchmarks.utils.data import AvalancheDataset
    from avalanche.benchmarks.utils.data_attribute import DataAttribute, TaskLabels
    from avalanche.core import SupervisedPlugin
    from avalanche.training.plugins import EvaluationPlugin, EWCPlugin, ReplayPlugin
    from avalanche.training.storage_policy import (
        BalancedExemplarsBuffer,
        ClassBalancedBuffer,
        ClosestToCenterSelectionStrategy,
        ExemplarsBuffer,
        ExperienceBalancedBuffer,
        HerdingSelectionStrategy,
        ParametricBuffer,
        RandomExemplarsSelectionStrategy,
        ReservoirSamplingBuffer,
    )
    from avalanche.training.storage_policy import (
        _ParametricSingleBuffer as ParametricSingleBuffer,
    )
    from avalanche.training.templates import SupervisedTemplate

if not os.path.exists(os.path.expanduser(f"{_OWN_FOLDER}/config.json")):
    # Where Avalanche would keep data sets of its own.
    set_dataset_root(os.path.expanduser(f"{_OWN_FOLDER}/data"))

__all__ = [
    "AvalancheDataset",
    "BalancedExemplarsBuffer",
    "ClassBalancedBuffer",
    "ClosestToCenterSelectionStrategy",
    "DataAttribute",
    "DatasetExperience",
    "EWCPlugin",
    "EvaluationPlugin",
    "ExemplarsBuffer",
    "ExperienceBalancedBuffer",
    "HerdingSelectionStrategy",
    "ParametricBuffer",
    "ParametricSingleBuffer",
    "RandomExemplarsSelectionStrategy",
    "ReplayPlugin",
    "ReservoirSamplingBuffer",
    "SupervisedPlugin",
    "SupervisedTemplate",
    "TaskAwareSupervisedClassificationDataset",
    "TaskLabels",
]


def silent_evaluator() -> EvaluationPlugin:
    """The evaluator that Avalanche's template wants, without metrics: scoring is done elsewhere."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No loggers specified")
        return EvaluationPlugin(collect_all=False)
