"""A layer's input and the gradient of its output, met in the backward pass.

Importing it loads torch, as ``avalanche_api`` loads Avalanche; a file of options must not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class OutputTap(torch.autograd.Function):
    """Gives a layer's output on as it is; in the backward pass its gradient is shown.

    The layer's input is saved as autograd saves its own, so that with gradient checkpointing it is
    computed again instead of being kept.
    """

    @staticmethod
    def forward(
        ctx: Any,
        output: Tensor,
        given: Tensor,
        anchor: Tensor,
        show: Callable[[Tensor, Tensor], None],
    ) -> Tensor:
        """
        Args:
            output: of the layer.
            given: to the layer, without a gradient.
            anchor: a scalar; whoever asks for its gradient reaches every tap of a pass, and makes
                autograd compute no gradient of a parameter.
            show: called with ``given`` and the gradient of ``output``.
        """
        ctx.save_for_backward(given)
        ctx.show = show
        return output.data  # not a view, which may not be written to in place

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, Tensor, None]:
        (given,) = ctx.saved_tensors
        ctx.show(given, grad_output)
        return grad_output, None, grad_output.new_zeros(()), None
