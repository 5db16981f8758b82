"""A softmax over very many classes, frequent ones first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ...dispatch import apply
from ...functions.joining import cat
from ...ops.elementwise import Where
from ...ops.index import Gather
from ...tensor import Tensor
from .. import functional as F
from ..functional.classes import _picked
from ..module import Module
from .container import ModuleList, Sequential
from .linear import Linear


class _Result(NamedTuple):
    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """log softmax over classes in clusters (Grave et al., 2017).

    The head scores the classes below ``cutoffs[0]`` and each cluster of rarer ones; in
    cluster i the scores come from in_features // div_valueⁱ⁺¹ numbers. For y in
    cluster i, log p(y) = log p(cluster i) + log p(y in the cluster). A call gives
    ``(output, loss)``: log p of each target, and the mean of −log p.
    """

    head: Linear
    tail: ModuleList

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        limits = list(cutoffs)
        if not limits:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            limits != sorted(set(limits))
            or limits[0] <= 0
            or limits[-1] > n_classes - 1
            or any(int(c) != c for c in limits)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an "
                f"increasing order, each between 1 and n_classes-1, but got {limits}"
            )
        how = {"device": device, "dtype": dtype}
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*limits, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = limits[0], len(limits)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **how)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            inner = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, inner, bias=False, **how),
                    Linear(inner, high - low, bias=False, **how),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for pair in self.tail:
            for layer in pair:
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _Result:
        if target_.ndim not in (0, 1):
            raise RuntimeError(
                "0D or 1D target tensor expected, multi-target not supported"
            )
        if input_.ndim != target_.ndim + 1:
            raise RuntimeError(
                f"{target_.ndim}D target tensor expects {target_.ndim + 1}D input tensors, "
                f"but found inputs with size {tuple(input_.shape)}"
            )
        if target_.ndim and input_.shape[0] != target_.shape[0]:
            raise RuntimeError(
                "Input and target should have the same size in the batch dimension."
            )
        x = input_ if target_.ndim else input_.unsqueeze(0)
        y: Any = target_ if target_.ndim else target_.unsqueeze(0)
        classes = y.detach().numpy()
        low, high = (classes.min(), classes.max()) if classes.size else (0, 0)
        if low < 0 or high >= self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in "
                f"range [{low}, {high}] were found."
            )
        head = F.log_softmax(self.head(x), 1)
        place: Any = y
        inner: Any = 0.0
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            mine = (y >= low) & (y < high)
            if not ((classes >= low) & (classes < high)).any():
                continue
            place = apply(Where, mine, self.shortlist_size + i, place)
            scores = F.log_softmax(self.tail[i](x), 1)
            within = apply(Where, mine, y - low, 0)
            inner = inner + apply(Where, mine, _picked(scores, within, 1), 0.0)
        output = apply(Gather, head, place.unsqueeze(1), dim=1).squeeze(1) + inner
        loss = (-output).mean()
        return _Result(output if target_.ndim else output.squeeze(0), loss)

    def log_prob(self, input: Tensor) -> Any:
        """log p of all classes: (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        n = self.shortlist_size
        parts = [head[:, :n]]
        for i in range(self.n_clusters):
            inner = F.log_softmax(self.tail[i](input), 1)
            parts.append(inner + head[:, n + i].unsqueeze(1))
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Any:
        """The most probable class of each sample."""
        head = self.head(input).argmax(1)
        if not bool((head >= self.shortlist_size).any()):
            return head
        # Where the best of the head is no cluster, no class of a cluster is better.
        best = self.log_prob(input).argmax(1)
        return apply(Where, head >= self.shortlist_size, best, head)
