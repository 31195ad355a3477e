"""The door to Avalanche: everything transferlab takes from it is imported here.

Importing Avalanche takes seconds: it brings torchvision, wandb, tensorboard and matplotlib. So only
the modules that train import this one; checking a pipeline does not.
"""

import warnings

with warnings.catch_warnings():
    # qpsolvers warns that it found no solver; of Avalanche's strategies only GEM would want one.
    warnings.filterwarnings("ignore", message="no QP solver found")
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
