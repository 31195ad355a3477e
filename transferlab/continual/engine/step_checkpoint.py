"""A domain's training, half-way: written every so many steps, and gone on with after a kill.

The hooks before the first step run again when a stage is gone on with, from the parameters and the
state that it began with, so a file holds only what the steps since then have changed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from transferlab.continual.components.strategy import Strategy
from transferlab.continual.components.trainer_view import ExperienceView, StageView
from transferlab.continual.engine.hook_timer import Stopwatch
from transferlab.continual.engine.recorder import Recorder
from transferlab.core.checkpoint import load_checkpoint, save_checkpoint, verify_checkpoint
from transferlab.core.distributed import equal_on_all_ranks, rank_and_size
from transferlab.core.events import Warned
from transferlab.core.integrity import DamagedFile, set_aside
from transferlab.errors import InputError


class CheckpointedTrainer(Protocol):
    """What of a trainer is written down and put back."""

    strategies: list[Strategy]
    stopwatch: Stopwatch
    recorder: Recorder
    scaler: torch.amp.GradScaler
    trainable: list[Tensor]
    optimizer: torch.optim.Optimizer
    device: torch.device
    dataloader: DataLoader
    clock: Any
    settings: StageView
    experience: ExperienceView


@runtime_checkable
class ResumableSampler(Protocol):
    """Draws batches and can say how far it has come, as ``EpochBatches`` does."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class StepCheckpoint:
    """One stage's file."""

    def __init__(self, path: Path | None, *, every_steps: int | None) -> None:
        """
        Args:
            path: where it is, or is going to be; None writes nothing.
            every_steps: None likewise; a file that is there is gone on with all the same.
        """
        self._path, self._every_steps = path, every_steps

    def read(self, trainer: CheckpointedTrainer) -> dict[str, Any] | None:
        """What the file holds; None where there is none, and where it is damaged and set aside.

        Raises:
            InputError: it is about another domain, other data or other strategies, or not every
                process that trains this model finds the same file.
        """
        if self._path is None:
            return None
        state = self._load(self._path)
        steps = len(state["recorder"]["losses"]) if state else 0
        if not equal_on_all_ranks(steps, trainer.device):
            raise InputError(
                f"{self._path}: the processes that train this model find other checkpoints there "
                f"(this one's is of step {steps}); give all of them one shared folder"
            )
        if state is None:
            return None
        if state["about"] != _about(trainer):
            raise InputError(
                f"{self._path}: this checkpoint is about {state['about']} and the stage at hand is "
                f"{_about(trainer)}; remove it to begin the domain anew"
            )
        if _sampler(trainer) is None:
            raise InputError(
                f"{self._path}: a plugin has put a loader of its own in place, which cannot go on "
                "from this checkpoint; remove it to begin the domain anew"
            )
        return state

    @staticmethod
    def _load(path: Path) -> dict[str, Any] | None:
        """The content; None where there is no file, and of a damaged one, which one rank moves."""
        if not path.exists():
            return None
        try:
            verify_checkpoint(path)
            return load_checkpoint(path, verified=True)
        except DamagedFile as error:
            if rank_and_size()[0] == 0:
                set_aside(path, str(error))
            return None

    def save_when_due(self, trainer: CheckpointedTrainer, *, leaving: bool = False) -> None:
        """Called after every step; the last one's state is the caller's to keep.

        All processes that train one model have the same state, and the first one writes it.

        Args:
            trainer: whose state is written.
            leaving: the process ends after this step, so that it is written whichever it is.
        """
        steps = trainer.recorder.steps
        if self._path is None or self._every_steps is None:
            return
        if steps % self._every_steps and not leaving:
            return
        if _sampler(trainer) is None:
            self._every_steps = None
            trainer.recorder.emit(Warned(text=_cannot_be_written(trainer.settings.domain)))
        elif (leaving or steps < trainer.recorder.total_steps) and rank_and_size()[0] == 0:
            save_checkpoint(self._path, state_of(trainer))


def _about(trainer: CheckpointedTrainer) -> str:
    """What must be the same for a file to fit."""
    names = ", ".join(type(one).__name__ for one in trainer.strategies)
    return (
        f"domain '{trainer.settings.domain}', step {trainer.experience.current_experience} of "
        f"the stream, {trainer.recorder.total_steps} optimizer steps, strategies {names}"
    )


def _cannot_be_written(domain: str) -> str:
    return (
        f"domain '{domain}': a plugin has put a loader of its own in place, which cannot say how "
        "far it has come, so train.checkpoint_steps writes nothing and a run that is killed goes "
        "on from the last finished domain"
    )


def _sampler(trainer: CheckpointedTrainer) -> ResumableSampler | None:
    """What draws the batches, if it can be written down."""
    sampler = getattr(trainer.dataloader, "batch_sampler", None)
    return sampler if isinstance(sampler, ResumableSampler) else None


def state_of(trainer: CheckpointedTrainer) -> dict[str, Any]:
    """Plain values, tensors and salted ids: nothing in it is executed when it is read."""
    return {
        "about": _about(trainer),
        "parameters": [parameter.detach().cpu() for parameter in trainer.trainable],
        "optimizer": trainer.optimizer.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "clock": dict(vars(trainer.clock)),
        "recorder": trainer.recorder.state_dict(),
        "hook_seconds": trainer.stopwatch.seconds,
        "batches": cast("ResumableSampler", _sampler(trainer)).state_dict(),
        "strategies": [one.stage_state() for one in trainer.strategies],
        "random": _random_state(trainer.device),
    }


@torch.no_grad()
def restore(trainer: CheckpointedTrainer, state: Mapping[str, Any]) -> None:
    """Put everything where it was after the step at which ``state`` was taken."""
    torch._foreach_copy_(trainer.trainable, state["parameters"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    if state["scaler"]:  # empty where the step was taken without one, as on a processor
        trainer.scaler.load_state_dict(state["scaler"])
    vars(trainer.clock).update(state["clock"])
    trainer.recorder.load_state_dict(state["recorder"])
    trainer.stopwatch.seconds += state["hook_seconds"]
    cast("ResumableSampler", _sampler(trainer)).load_state_dict(state["batches"])
    for one, own in zip(trainer.strategies, state["strategies"], strict=True):
        one.load_stage_state(own)
    _set_random_state(state["random"], trainer.device)


def _random_state(device: torch.device) -> dict[str, Any]:
    """Of every generator that training draws from."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    version, words, gauss = random.getstate()
    found = {
        "torch": torch.get_rng_state(),
        "numpy": [name, np.asarray(keys).tolist(), position, has_gauss, cached],
        "python": [version, list(words), gauss],
    }
    return found | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _set_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    name, keys, position, has_gauss, cached = state["numpy"]
    version, words, gauss = state["python"]
    torch.set_rng_state(state["torch"])
    np.random.set_state((name, np.array(keys, np.uint32), position, has_gauss, cached))
    random.setstate((version, tuple(words), gauss))
    if device.type == "cuda" and "cuda" in state:  # a step that was taken on a processor has none
        torch.cuda.set_rng_state(state["cuda"], device)
