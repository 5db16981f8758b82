"""Which number types functions refuse whose formulas would take them, as PyTorch does:
a slip (a mask where numbers are meant, weights of another precision) is told where it
happens, and not by a result of another type.

:mod:`retrograd.refusals` looks here where it looks at the kinds of arguments: where a
graph is seen for the first time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import dtypes

#: the arguments that are tensors, by name
Given = dict[str, Any]
Rule = Callable[[Given], str]


def _no_truths(*names: str) -> Rule:
    """The arguments of these names, or all of them, are no truth values."""

    def rule(given: Given) -> str:
        for name in names or given:
            if name in given and given[name].dtype is dtypes.bool_:
                return f"'{name}' has truth values: use {name}.int(), or .float()"
        return ""

    return rule


def _floating(*names: str) -> Rule:
    """The arguments of these names are floating; without names the first one is."""

    def rule(given: Given) -> str:
        for name in names or list(given)[:1]:
            if name in given and not given[name].dtype.is_floating_point:
                return f"'{name}' is {given[name].dtype.name}: use {name}.float()"
        return ""

    return rule


def _one_type(*names: str) -> Rule:
    """The arguments of these names have the type of the first."""

    def rule(given: Given) -> str:
        like = given.get(names[0])
        for name in names[1:]:
            x = given.get(name)
            if like is not None and x is not None and x.dtype is not like.dtype:
                return (
                    f"'{names[0]}' and '{name}' must have the same dtype, but got "
                    f"{like.dtype.name} and {x.dtype.name}: use {name}.to("
                    f"{names[0]}.dtype)"
                )
        return ""

    return rule


def _parameters(*names: str) -> Rule:
    """Parameters have the input's type, or all float32 where that has 16 bits."""

    def rule(given: Given) -> str:
        if "input" not in given:
            return ""
        kind = given["input"].dtype
        found = {n: given[n].dtype for n in names if n in given}
        narrow = kind.is_floating_point and kind.itemsize == 2
        if narrow and all(d is dtypes.float32 for d in found.values()):
            return ""
        for name, d in found.items():
            if d is not kind:
                return (
                    f"mixed dtype: the input is {kind.name} and '{name}' {d.name}: use "
                    f"{name}.to(input.dtype), or input.to({name}.dtype)"
                )
        return ""

    return rule


NONE = NotImplementedError
#: name of a function → what it refuses, and with which exception
RULES: dict[str, tuple[tuple[Rule, type[Exception]], ...]] = {}


def _add(names: str, *rules: tuple[Rule, type[Exception]]) -> None:
    for name in names.split():
        RULES[name] = (*RULES.get(name, ()), *rules)


_add(
    "kthvalue median nanmedian trace threshold cross linalg_cross", (_no_truths(), NONE)
)
_add("sub subtract rsub", (_no_truths(), RuntimeError))
_add(
    "conv_transpose1d conv_transpose2d conv_transpose3d conv3d bmm",
    (_no_truths(), NONE),
)
_add("cholesky", (_floating(), NONE))
_add(
    "topk gradient mvlgamma multigammaln isin linalg_vander",
    (_no_truths(), RuntimeError),
)
_add("logcumsumexp frac", (_floating(), NONE))
_add("nanmean", (_floating(), RuntimeError))
_add("lerp", (_one_type("input", "end"), RuntimeError))
_add("heaviside", (_one_type("input", "values"), RuntimeError))
_add("cross linalg_cross", (_one_type("input", "other"), RuntimeError))
_add("vecdot", (_one_type("x", "y"), RuntimeError), (_floating("x"), RuntimeError))
_add(
    "cdist",
    (_floating("x1", "x2"), RuntimeError),
    (_one_type("x1", "x2"), RuntimeError),
)
_add("linear", (_one_type("input", "bias"), RuntimeError))
_add("bilinear", (_one_type("input1", "bias"), RuntimeError))
_add("ormqr", (_one_type("input", "tau"), RuntimeError))
_add("batch_norm", (_floating(), NONE), (
    _parameters("weight", "bias", "running_mean", "running_var"), RuntimeError))  # fmt: skip
_add("instance_norm", (_floating(), NONE), (_parameters("weight", "bias"), RuntimeError),
     (_parameters("running_var"), RuntimeError))  # fmt: skip
_add("layer_norm group_norm", (_parameters("weight", "bias"), RuntimeError),
     (_floating(), NONE))  # fmt: skip
_add("rms_norm", (_floating(), NONE))
_add("nll_loss binary_cross_entropy_with_logits grid_sample multi_margin_loss "
     "multilabel_margin_loss max_unpool1d max_unpool2d max_unpool3d",
     (_floating(), NONE))  # fmt: skip
_add("binary_cross_entropy", (_one_type("input", "target"), RuntimeError))
_add("soft_margin_loss huber_loss", (_floating(), RuntimeError))
_add("kl_div", (_floating("input", "target"), RuntimeError))


def wrong_type(name: str, given: Given) -> Exception | None:
    """The error for the number types of the tensors of a call, or None."""
    for rule, kind in RULES.get(name, ()):
        text = rule(given)
        if text:
            return kind(f"{name}(): {text}")
    return None


__all__ = ["RULES", "wrong_type"]
