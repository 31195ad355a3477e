"""A LoRA adapter as a mixture of experts: its ranks in blocks, weighed token by token by a gate."""

from __future__ import annotations

from torch import Tensor, nn


class GatedDown(nn.Module):
    """Stands where LoRA has its first matrix A, and weighs its ranks before the second one.

    With n experts of r / n ranks each and the gate's softmax g(x) over them, a layer gives

        W x + scale * sum_e  n g_e(x) B_e A_e x.

    The factor n makes a gate that is undecided, as it is at first, the LoRA of all ranks.
    """

    def __init__(self, down: nn.Linear, experts: int) -> None:
        """``down``: LoRA's own, (rank, in); ``experts`` divides the rank."""
        super().__init__()
        self.down = down
        weight = down.weight
        self.gate = nn.Linear(
            down.in_features, experts, bias=False, device=weight.device, dtype=weight.dtype
        )
        nn.init.zeros_(self.gate.weight)

    @property
    def weight(self) -> Tensor:
        """Peft asks it for device and dtype."""
        return self.down.weight

    def forward(self, x: Tensor) -> Tensor:
        """(..., rank) of (..., in)."""
        experts = self.gate.out_features
        weights = experts * self.gate(x).softmax(dim=-1)
        ranks = self.down(x).unflatten(-1, (experts, -1))
        return (ranks * weights.unsqueeze(-1)).flatten(-2)
