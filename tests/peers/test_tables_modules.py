"""Modules on PyTorch's own table: what they compute in training and in evaluation from
the same weights, the gradients of inputs and parameters, and what is refused."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np
import pytest

import op_tables
import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

NAMES = """
AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d
AdaptiveMaxPool2d AdaptiveMaxPool3d AvgPool1d AvgPool2d AvgPool3d BCELoss
BCEWithLogitsLoss BatchNorm1d BatchNorm2d BatchNorm3d Bilinear CELU CTCLoss CircularPad1d
CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d Conv1d Conv2d
Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d CosineEmbeddingLoss
CrossEntropyLoss ELU Embedding FractionalMaxPool2d FractionalMaxPool3d GELU
GLU GaussianNLLLoss GroupNorm Hardshrink Hardswish Hardtanh HingeEmbeddingLoss
HuberLoss InstanceNorm1d InstanceNorm2d InstanceNorm3d KLDivLoss L1Loss LPPool1d LPPool2d
LPPool3d LayerNorm LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d
LazyConvTranspose2d LazyConvTranspose3d LeakyReLU Linear LocalResponseNorm LogSigmoid
LogSoftmax MSELoss MarginRankingLoss MaxPool1d MaxPool2d MaxPool3d Mish
MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss PReLU
PoissonNLLLoss RMSNorm ReLU ReLU6
ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d
ReplicationPad3d SELU SiLU Sigmoid SmoothL1Loss SoftMarginLoss Softmax Softmax2d Softmin
Softplus Softshrink Softsign Tanh Tanhshrink Threshold ZeroPad1d ZeroPad2d ZeroPad3d
""".split()

#: PyTorch keeps constants of these, or of their derivatives, in single precision
ROUGH = {"CELU": 1e-7, "GELU": 1e-8, "Hardswish": 1e-7}
#: drawn
DRAWN = {"FractionalMaxPool2d", "FractionalMaxPool3d"}


@functools.cache
def table() -> dict[str, Any]:
    from torch.testing._internal.common_modules import module_db

    return {info.name.removeprefix("nn."): info for info in module_db}


def given(value: Any, known: dict[int, Any] | None = None) -> Any:
    """PyTorch's arguments as ours: one tensor in two places stays one."""
    known = {} if known is None else known
    if isinstance(value, torch.nn.Module):
        return getattr(rg.nn, type(value).__name__)()
    if isinstance(value, dict):
        return {k: given(v, known) for k, v in value.items() if k != "device"}
    if isinstance(value, tuple):
        return tuple(given(v, known) for v in value)
    if isinstance(value, torch.Tensor):
        if id(value) not in known:
            known[id(value)] = op_tables.translated(value)
        return known[id(value)]
    return op_tables.translated(value)


def weights(module: Any) -> dict[str, Any]:
    return {k: v.detach().numpy().copy() for k, v in module.state_dict().items()}


def foreign(args: Any) -> bool:
    """Functions of PyTorch's tensors among the arguments."""
    return any(
        callable(a) and not isinstance(a, (torch.nn.Module, torch.dtype, torch.Tensor))
        for a in (*args.args, *args.kwargs.values())
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_values_and_gradients(name: str, training: bool) -> None:
    info, rtol = table()[name], ROUGH.get(name, 1e-9)
    torch.manual_seed(0)
    samples = info.module_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
    )
    compared = 0
    for sample in samples[:: max(1, len(samples) // 12)]:
        made, call = sample.constructor_input, sample.forward_input
        if foreign(made):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = info.module_cls(*made.args, **made.kwargs).double().train(training)
            args, kwargs = given(made.args), given(made.kwargs)
            ours = getattr(rg.nn, name)(*args, **kwargs).double().train(training)
            if name not in DRAWN:
                compare(name, ours, theirs, call, rtol)
        compared += 1
    assert compared


def compare(name: str, ours: Any, theirs: Any, call: Any, rtol: float) -> None:
    """One call, and the gradients of what goes in and of the parameters."""
    mine = given((call.args, call.kwargs))
    if name.startswith("Lazy"):
        theirs(*call.args, **call.kwargs)
        ours(*mine[0], **mine[1])
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(weights(theirs))
    want = op_tables.flat(theirs(*call.args, **call.kwargs))
    have = op_tables.flat(ours(*mine[0], **mine[1]))
    assert len(have) == len(want)
    for x, y in zip(have, want, strict=True):
        op_tables.same(x, y, rtol, rtol, f"{theirs}")
    for key, value in weights(theirs).items():  # running statistics
        np.testing.assert_allclose(ours.state_dict()[key].numpy(), value, rtol=1e-9)
    seeds = np.random.default_rng(0)
    total, wanted = 0.0, 0.0
    for x, y in zip(have, want, strict=True):
        if y.is_floating_point() and y.requires_grad:
            seed = seeds.normal(size=tuple(y.shape))
            total = total + (x * rg.tensor(seed)).sum()
            wanted = wanted + (y * torch.tensor(seed)).sum()
    if isinstance(wanted, float):
        return
    ys = [
        *op_tables.leaves([call.args, call.kwargs], torch.Tensor),
        *theirs.parameters(),
    ]
    xs = [*op_tables.leaves([mine[0], mine[1]], rg.Tensor), *ours.parameters()]
    if name == "CTCLoss":  # PyTorch's is that before a log_softmax
        return
    if not ys:
        return
    grads = torch.autograd.grad(wanted, ys, allow_unused=True)
    for x, y in zip(rg.autograd.grad(total, xs, allow_unused=True), grads, strict=True):
        if y is not None:
            x = rg.zeros(tuple(y.shape), dtype=rg.float64) if x is None else x
            op_tables.same(x, y, rtol, rtol, f"gradient of {theirs}")


@pytest.mark.parametrize(
    "name", [n for n in NAMES if table()[n].module_error_inputs_func is not None]
)
def test_refusals(name: str) -> None:
    from torch.testing._internal.common_modules import ModuleErrorEnum

    info = table()[name]
    for bad in info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=False, training=True
    ):
        made = bad.module_error_input.constructor_input
        call = bad.module_error_input.forward_input
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if bad.error_on == ModuleErrorEnum.CONSTRUCTION_ERROR:
                with pytest.raises(bad.error_type):
                    getattr(rg.nn, name)(*given(made.args), **given(made.kwargs))
                continue
            module = getattr(rg.nn, name)(*given(made.args), **given(made.kwargs))
            with pytest.raises(bad.error_type):
                for out in op_tables.flat(
                    module(*given(call.args), **given(call.kwargs))
                ):
                    out.tolist()
