"""The module that Avalanche trains: answer positions in, trainable parameters out."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from transferlab.backbone.processing.model_inputs import ModelInputs
from transferlab.core.batch import Batch
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from transferlab.core.protocols import ModelView as _View
else:
    _View = nn.Module


class TrainableView(_View):
    """A backbone's model as strategies should see it.

    ``view(batch)`` gives the logits at supervised positions only, in the order of
    ``batch.targets()``. Parameters and state are those that were trainable when the view was made:
    strategies copy and walk every named parameter, and over a frozen base that is gigabytes.
    Modules and buffers are the whole model's.
    """

    _model: nn.Module

    def __init__(self, model: nn.Module, *, inputs: ModelInputs) -> None:
        """``inputs``: makes the model's arguments from a batch."""
        super().__init__()
        # Not registered as a submodule, which would bring the frozen parameters back in.
        object.__setattr__(self, "_model", model)
        self._names = frozenset(n for n, p in model.named_parameters() if p.requires_grad)
        self.inputs = inputs
        self.training = model.training

    @property
    def output_layer(self) -> nn.Module:
        """The layer from hidden states to the vocabulary."""
        return innermost(self._model).get_output_embeddings()

    def forward(self, batch: Batch) -> Tensor:
        """Logits at the supervised positions, (n_supervised, vocab), on the batch's device."""
        logits = [self._logits(part) for part in self.inputs.parts(batch)]
        return self.inputs.at_answers(logits, batch)

    def forward_count(self, batch: Batch) -> int:
        """How often the model runs for the batch: more than once where samples must not meet."""
        return len(self.inputs.row_groups(batch))

    def at_answers(self, outputs: Sequence[Tensor], batch: Batch) -> Tensor:
        """(n_supervised, ...) of what a layer made in each pass; see ``ModelInputs``."""
        return self.inputs.at_answers(outputs, batch)

    def _logits(self, batch: Batch) -> Tensor:
        span = _answer_span(batch) if self.inputs.cuts_logits else 0
        cut = self.inputs.last_logits(span)
        return self._model(**self.inputs.training(batch), use_cache=False, **cut).logits

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        start = f"{prefix}." if prefix else ""
        for name, parameter in self._model.named_parameters(remove_duplicate=remove_duplicate):
            if name in self._names:
                yield start + name, parameter

    def named_modules(
        self, memo: set[nn.Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Module]]:
        """The view itself, then the modules of the model, named as the parameters are."""
        yield prefix, self
        start = f"{prefix}." if prefix else ""
        for name, module in self._model.named_modules(memo, "", remove_duplicate):
            if name:
                yield start + name, module

    def state_dict(self, *, prefix: str = "") -> dict[str, Tensor]:  # type: ignore[override]  # no hooks
        """The trainable parameters, detached, sharing their memory."""
        return {prefix + name: p.detach() for name, p in self.named_parameters()}

    def load_state_dict(  # type: ignore[override]  # what does not fit is an error, not returned
        self, state_dict: Mapping[str, Tensor], strict: bool = True
    ) -> None:
        """Put the values of ``state_dict`` into the trainable parameters, in place.

        Raises:
            ModelError: names or shapes are not those of this view; nothing has been changed then.
        """
        own = dict(self.named_parameters())
        odd = sorted(own.keys() ^ state_dict.keys()) if strict else []
        shared = own.keys() & state_dict.keys()
        odd += sorted(name for name in shared if own[name].shape != state_dict[name].shape)
        if odd:
            raise ModelError(
                f"the state to load does not fit this backbone: {len(odd)} parameter(s) missing, "
                f"unknown or of another shape, the first '{odd[0]}'; was it saved with another "
                "adapter or model?"
            )
        with torch.no_grad():
            for name in shared:
                own[name].copy_(state_dict[name])

    def train(self, mode: bool = True) -> Self:
        self._model.train(mode)
        self.training = mode
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        self._model._apply(fn, recurse)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TrainableView:
        """A view of a copied model that shares the frozen parameters with this one."""
        for name, parameter in self._model.named_parameters():
            if name not in self._names:
                memo[id(parameter)] = parameter
        twin = TrainableView.__new__(TrainableView)
        nn.Module.__init__(twin)
        memo[id(self)] = twin
        object.__setattr__(twin, "_model", copy.deepcopy(self._model, memo))
        for name in ("_names", "inputs", "training"):
            setattr(twin, name, getattr(self, name))
        return twin


def innermost(model: nn.Module) -> PreTrainedModel:
    """The transformers model inside an adapter's wrapper; the model itself where there is none."""
    wrapper: Any = model
    inner = wrapper.get_base_model() if hasattr(model, "get_base_model") else model
    return cast("PreTrainedModel", inner)


def _answer_span(batch: Batch) -> int:
    """How many of the last positions hold every supervised one; at least 1."""
    _, columns = batch.answer_positions()
    return batch.input_ids.shape[1] - int(columns.min()) if len(columns) else 1
