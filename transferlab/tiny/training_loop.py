"""The optimizer loop of pretraining: steps by number, checkpoints, and a rate that rises and falls.

Batches come by step number, so that the same step always sees the same data: a run that was killed
goes on as if it had not been.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from transferlab.config.pretrain import OptimizerName, Precision
from transferlab.core.checkpoint import load_checkpoint, save_checkpoint
from transferlab.core.events import Listener, TrainStep
from transferlab.errors import ModelError

Batch = dict[str, Tensor]
Optimizers = list[torch.optim.Optimizer]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the optimizer runs."""

    total_steps: int
    learning_rate: float
    warmup_steps: int
    decay_fraction: float
    """Share of all steps, the last ones, in which the learning rate falls."""
    weight_decay: float
    max_grad_norm: float
    checkpoint_steps: int
    optimizer: OptimizerName = "adamw"
    """``muon`` turns the steps of linear layers' matrices into rotations (Jordan et al. 2024); what
    is no such matrix, and embeddings, stay with AdamW."""
    precision: Precision = "float32"
    """What products are computed in; weights and the optimizer stay float32."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a loop did."""

    seconds: float
    """Of this process; a part that a checkpoint brought is not in it."""
    losses: tuple[float, ...]
    """Of every step from the first, those before a checkpoint too."""


class _Steps(Dataset):
    """Batch by step number; made in a worker process while the model computes."""

    def __init__(self, batch_of: Callable[[int], Batch]) -> None:
        self._batch_of = batch_of

    def __getitem__(self, step: int) -> Batch:
        return self._batch_of(step)


def run_steps(
    model: nn.Module,
    batch_of: Callable[[int], Batch],
    loss_of: Callable[[Batch], Tensor],
    *,
    recipe: Recipe,
    checkpoint: Path,
    stage: Callable[[int], str],
    listener: Listener,
    slower: nn.Module | None = None,
    slowdown: float = 1.0,
) -> Trained:
    """Train ``model`` in place, and leave it in evaluation mode.

    Args:
        batch_of: the tensors of a step, the same for the same step; called in a worker process.
            The first dimension of ``input_ids`` or else of ``pixel_values`` counts the samples.
        loss_of: a scalar, of the model; computed on the device that the model is on.
        checkpoint: a file that is written every ``recipe.checkpoint_steps`` steps, and continued
            from when it is there.
        stage: the name of the stage that a step belongs to, for the listener.
        slower: a part of ``model`` whose learning rate is multiplied by ``slowdown``.

    Raises:
        ModelError: the checkpoint is damaged or of another backbone, or the loss is not finite.
    """
    optimizers = _optimizers(model, recipe, slower=slower, slowdown=slowdown)
    losses = _resume(checkpoint, model, optimizers)
    device = next(model.parameters()).device
    first = len(losses)
    loader = DataLoader(
        _Steps(batch_of),
        batch_size=None,
        sampler=range(first, recipe.total_steps),
        num_workers=1,
        prefetch_factor=4,
    )
    model.train()
    started = began = time.perf_counter()
    for step, batch in enumerate(loader, start=first):
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            computed = loss_of(batch)
        loss = _step(model, computed, optimizers, step=step, recipe=recipe)
        losses.append(loss)
        now = time.perf_counter()
        rate = _samples(batch) / (now - began)
        listener(_event(step, recipe, stage=stage(step), loss=loss, samples_per_second=rate))
        began = now
        if (step + 1) % recipe.checkpoint_steps == 0 or step + 1 == recipe.total_steps:
            _save(checkpoint, model, optimizers, losses)
    model.eval()
    return Trained(seconds=time.perf_counter() - started, losses=tuple(losses))


def _samples(batch: Batch) -> int:
    return len(batch["input_ids"] if "input_ids" in batch else batch["pixel_values"])


def _event(
    step: int, recipe: Recipe, *, stage: str, loss: float, samples_per_second: float
) -> TrainStep:
    return TrainStep(
        stage=stage,
        step=step + 1,
        total_steps=recipe.total_steps,
        loss=loss,
        learning_rate=_rate(step, recipe),
        samples_per_second=samples_per_second,
    )


def _step(
    model: nn.Module, loss: Tensor, optimizers: Optimizers, *, step: int, recipe: Recipe
) -> float:
    """One optimizer step; the loss as a number."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = _rate(step, recipe) * group["scale"]
        optimizer.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
    if not (math.isfinite(loss.item()) and torch.isfinite(norm)):
        raise ModelError(f"step {step + 1}: the loss is not finite; lower learning_rate")
    for optimizer in optimizers:
        optimizer.step()
    return loss.item()


def _rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, a plateau, then a straight line down to (almost) nothing.

    Before it falls, the rate does not depend on how long the run is going to be: a run can be made
    longer or shorter from its checkpoint and is then the same as if it had been planned so.
    """
    rising = (step + 1) / recipe.warmup_steps if recipe.warmup_steps else 1.0
    falling_steps = max(1, round(recipe.decay_fraction * recipe.total_steps))
    falling = (recipe.total_steps - step) / falling_steps
    return recipe.learning_rate * min(1.0, rising, falling)


def _optimizers(
    model: nn.Module, recipe: Recipe, *, slower: nn.Module | None, slowdown: float
) -> Optimizers:
    """Weight decay on matrices only; a group per rate and decay."""
    slow = {id(parameter) for parameter in slower.parameters()} if slower is not None else set()
    turned = {id(one) for one in _linear_weights(model)} if recipe.optimizer == "muon" else set()

    def groups(parameters: list[nn.Parameter]) -> list[dict]:
        found = []
        for is_slow in (False, True):
            mine = [p for p in parameters if (id(p) in slow) == is_slow]
            for decay, chosen in (
                (recipe.weight_decay, [p for p in mine if p.ndim >= 2]),
                (0.0, [p for p in mine if p.ndim < 2]),
            ):
                if chosen:
                    scale = slowdown if is_slow else 1.0
                    found.append({"params": chosen, "weight_decay": decay, "scale": scale})
        return found

    others = groups([p for p in model.parameters() if id(p) not in turned])
    rate = recipe.learning_rate
    optimizers: Optimizers = [torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), fused=True)]
    if turned:
        matrices = groups([p for p in model.parameters() if id(p) in turned])
        # So adjusted, a step is about as long as AdamW's, and one learning rate serves both.
        optimizers.append(torch.optim.Muon(matrices, lr=rate, adjust_lr_fn="match_rms_adamw"))
    return optimizers


def _linear_weights(model: nn.Module) -> list[nn.Parameter]:
    """Weights of linear layers, without one that is an embedding too."""
    embeddings = {id(one.weight) for one in model.modules() if isinstance(one, nn.Embedding)}
    linear = [one.get_parameter("weight") for one in model.modules() if isinstance(one, nn.Linear)]
    return [weight for weight in linear if id(weight) not in embeddings]


def _save(path: Path, model: nn.Module, optimizers: Optimizers, losses: list[float]) -> None:
    states = [optimizer.state_dict() for optimizer in optimizers]
    save_checkpoint(path, {"model": model.state_dict(), "optimizers": states, "losses": losses})


def _resume(path: Path, model: nn.Module, optimizers: Optimizers) -> list[float]:
    """The losses of the steps that the checkpoint has behind it; none without a checkpoint."""
    if not path.exists():
        return []
    state = load_checkpoint(path)
    try:
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        return list(state["losses"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"{path}: this checkpoint is of another backbone; choose another --out folder"
        ) from error
