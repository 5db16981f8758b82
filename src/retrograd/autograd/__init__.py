"""Derivatives: ``grad``, ``backward``, modes, custom functions and their checks."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from typing import Any

from .. import backward as _reverse
from .. import dispatch
from ..dispatch import constant
from ..hooks import told
from ..nodes import GradientEdge, standing_for
from ..paths import accumulate
from ..trace import Handle, spec_of
from . import graph as graph
from . import profiler as profiler
from .anomaly import (
    check_finite,
    detect_anomaly,
    is_anomaly_enabled,
    set_detect_anomaly,
)
from .check import gradcheck, gradgradcheck
from .function import Function, once_differentiable
from .modes import (
    eager,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)


def _listed(x: Any) -> list[Any]:
    """The tensors that are meant by one or several, or by edges of the graph."""
    several = isinstance(x, (list, tuple)) and not isinstance(x, GradientEdge)
    tensors = [standing_for(t) for t in (x if several else [x])]
    for t in tensors:
        if not isinstance(t, Handle):
            raise TypeError(f"Expected a Tensor or several, but got {type(t).__name__}")
    return tensors


def _seeds(given: Any, n: int) -> list[Any]:
    """The gradients of *n* outputs that were given, None for those that were not."""
    if given is None:
        return [None] * n
    seeds = list(given) if isinstance(given, (list, tuple)) else [given]
    if len(seeds) < n:
        raise RuntimeError(f"got {n} tensors and {len(seeds)} gradients")
    return seeds[:n]


def _inputs(x: Any, where: str) -> list[Any]:
    inputs = _listed(x)
    if not inputs:
        raise RuntimeError(f"`inputs` argument to `{where}()` cannot be empty.")
    return inputs


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """Σ vᵢᵀ ∂outputsᵢ/∂inputs, one tensor for each input; ``.grad`` is left alone.
    Inputs in a dict give a dict.

    With *create_graph* the results can be differentiated again:

    >>> import retrograd as rg
    >>> x = rg.tensor(3.0, requires_grad=True)
    >>> (g,) = rg.autograd.grad(x**3, x, create_graph=True)
    >>> rg.autograd.grad(g, x)[0].item()
    18.0
    """
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). "
            "To accumulate gradient for other parts of the graph, please use "
            "backward().",
            FutureWarning,
            stacklevel=2,
        )
    if allow_unused is False and materialize_grads:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, "
            "but got: allow_unused=False."
        )
    if isinstance(inputs, dict):
        found = grad(outputs, list(inputs.values()), grad_outputs, retain_graph,
                     create_graph, True, allow_unused, is_grads_batched,
                     materialize_grads)  # fmt: skip
        return dict(zip(inputs, found, strict=True))
    if is_grads_batched:
        return _for_each_row(outputs, inputs, grad_outputs, retain_graph, create_graph,
                             allow_unused, materialize_grads)  # fmt: skip
    ys, xs = _listed(outputs), _inputs(inputs, "grad")
    seeds = _seeds(grad_outputs, len(ys))
    if is_anomaly_enabled():
        check_finite(ys, seeds)
    for x in xs:
        if not x.requires_grad:
            raise RuntimeError(
                "One of the differentiated Tensors does not require grad"
            )
    retain = create_graph if retain_graph is None else retain_graph
    rec = dispatch.recorder()
    run = _reverse.reverse(ys, seeds, retain, create_graph, wanted=xs)
    results = []
    for x in xs:
        node = _reverse.node_of(rec, x)
        g = run.waiting.get(id(x)) if node is None else run.captured.get(node)
        if g is not None and node is None and x._meta.hooks:
            g = told(x._meta.hooks, g)
        if g is None and not (allow_unused or materialize_grads):
            raise RuntimeError(
                "One of the differentiated Tensors appears to not have been used in "
                "the graph. Set allow_unused=True if this is the desired behavior."
            )
        if g is None and materialize_grads:
            spec = spec_of(x)
            import numpy as np

            g = constant(np.zeros(spec.shape, spec.dtype.np))
        results.append(g if g is None else _reverse.deliver(rec, g))
    return tuple(results)


def _for_each_row(
    outputs: Any, inputs: Any, grad_outputs: Any, *options: Any
) -> tuple[Any, ...]:
    """``grad`` for each row of *grad_outputs*, all at once."""
    from ..func import vmap

    if grad_outputs is None:
        raise RuntimeError(
            "is_grads_batched: grad_outputs must be given, one row for each gradient"
        )
    retain, create, unused, materialize = options
    used: list[bool] = []

    def one(*seeds: Any) -> tuple[Any, ...]:
        found = grad(outputs, inputs, seeds, retain, create, allow_unused=unused,
                     materialize_grads=materialize)  # fmt: skip
        used[:] = [g is not None for g in found]
        return tuple(g for g in found if g is not None)

    rows = iter(vmap(one)(*_listed(grad_outputs)))
    return tuple(next(rows) if u else None for u in used)


def __getattr__(name: str) -> Any:
    if name in ("functional", "forward_ad"):
        # made of transformations: loaded when they are used
        return importlib.import_module(f"{__name__}.{name}")
    from ..left_out import error

    raise error("autograd", name)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Any] | Any = None,
) -> None:
    """Add Σ vᵢᵀ ∂tensorsᵢ/∂leaf to the ``.grad`` of every leaf (or of *inputs*)."""
    ys = _listed(tensors)
    seeds = _seeds(grad_tensors, len(ys))
    if len(ys) == 1 and inputs is None:
        _reverse.backward(ys[0], seeds[0], retain_graph, create_graph)
        return
    retain = create_graph if retain_graph is None else retain_graph
    rec = dispatch.recorder()
    wanted = [] if inputs is None else _inputs(inputs, "backward")
    for x in wanted:
        if not x.requires_grad:
            raise RuntimeError(
                "One of the inputs of backward() does not require grad: its .grad would "
                "stay as it is"
            )
    if is_anomaly_enabled():
        check_finite(ys, seeds)
    run = _reverse.reverse(ys, seeds, retain, create_graph, wanted)
    if inputs is None:
        pairs = [(t, run.waiting[id(t)]) for _, t in run.leaves.values()]
    else:
        pairs = []
        for x in wanted:
            node = _reverse.node_of(rec, x)
            g = run.waiting.get(id(x)) if node is None else run.captured.get(node)
            if g is not None:
                pairs.append((x, g))
    for t, g in pairs:
        accumulate(rec, t, _reverse.deliver(rec, g), create_graph)


class Variable:
    """Tensors are variables; kept for programs of another age."""

    def __new__(cls, data: Any, requires_grad: bool = False) -> Any:
        return data.requires_grad_() if requires_grad else data


__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "eager",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
]
