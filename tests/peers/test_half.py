"""Numbers of 16 bits: computed in float32 and rounded once, as PyTorch does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import op_tables
import retrograd as rg
import retrograd.nn.functional

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
pytree: Any = pytest.importorskip("torch.utils._pytree")

#: rounded once in both libraries: equal to a unit in the last place
NAMES = """
abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh ceil clamp copysign cos
cosh deg2rad digamma div erf erfc erfinv exp exp2 expm1 floor floor_divide fmax fmin fmod
frac heaviside hypot ldexp lerp lgamma log log10 log1p log2 logaddexp logaddexp2 maximum
minimum mul nan_to_num neg pow rad2deg reciprocal remainder round rsqrt rsub sgn sigmoid
sign sin sinc sinh sqrt square sub tan tanh true_divide trunc where xlogy sum mean prod
amax amin cumsum logsumexp nansum nanmean norm median std softmax matmul mm bmm mv dot
addmm addmv baddbmm outer nn.functional.linear nn.functional.relu nn.functional.gelu
nn.functional.silu nn.functional.elu nn.functional.softplus nn.functional.layer_norm
nn.functional.mse_loss nn.functional.cross_entropy nn.functional.conv1d
nn.functional.conv2d nn.functional.conv3d nn.functional.adaptive_avg_pool1d
nn.functional.adaptive_avg_pool2d linspace
""".split()
UNITS = {"bfloat16": 2.0**-7, "float16": 2.0**-10}


@pytest.mark.parametrize("word", UNITS)
@pytest.mark.parametrize("name", NAMES)
def test_a_unit_in_the_last_place(name: str, word: str) -> None:
    dtype = getattr(torch, word)
    entry = op_tables.table()[name][0]
    if dtype not in entry.dtypes:
        pytest.skip("PyTorch has no such function for this type")
    tiny = float(torch.finfo(dtype).tiny)
    for sample in op_tables.samples(entry, dtype, most=4, grad=False):
        given = (sample.input, sample.args, sample.kwargs)
        want = op_tables.flat(entry.op(given[0], *given[1], **given[2]))
        x, args, kwargs = op_tables.translated(given)
        have = op_tables.flat(op_tables.ours(name)(x, *args, **kwargs))
        for a, b in zip(have, want, strict=True):
            assert str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
            if b.is_floating_point():
                a, b = a.detach().double().numpy(), b.detach().double().numpy()
                np.testing.assert_allclose(a, b, rtol=1.05 * UNITS[word], atol=tiny)


#: rounded several times by PyTorch: of these ours is nearer to the truth
NEARER = """
addbmm addr baddbmm cumprod logit linalg.multi_dot renorm tensordot var special.i0e
nn.functional.batch_norm nn.functional.instance_norm round nn.functional.huber_loss
nn.functional.conv_transpose1d nn.functional.conv_transpose2d
nn.functional.conv_transpose3d nn.functional.adaptive_avg_pool3d
nn.functional.scaled_dot_product_attention nn.functional.interpolate
""".split()


@pytest.mark.filterwarnings("ignore:(var|std)... degrees of freedom:UserWarning")
@pytest.mark.parametrize("word", UNITS)
@pytest.mark.parametrize("name", NEARER)
def test_no_further_from_the_truth_than_pytorch(name: str, word: str) -> None:
    dtype = getattr(torch, word)
    tiny = float(torch.finfo(dtype).tiny)
    for entry in op_tables.table()[name]:
        if dtype not in entry.dtypes:
            continue
        for sample in op_tables.samples(entry, dtype, most=4, grad=False):
            if sample.kwargs.get("dropout_p"):
                continue  # drawn at random
            given = (sample.input, sample.args, sample.kwargs)
            want = op_tables.flat(entry.op(given[0], *given[1], **given[2]))
            wide = pytree.tree_map_only(torch.Tensor, _double, given)
            true = op_tables.flat(entry.op(wide[0], *wide[1], **wide[2]))
            x, args, kwargs = op_tables.translated(given)
            have = op_tables.flat(op_tables.ours(name)(x, *args, **kwargs))
            for a, b, c in zip(have, want, true, strict=True):
                a, b, c = (t.detach().double().numpy() for t in (a, b, c))
                unit = UNITS[word] * np.maximum(np.abs(c), 8 * tiny)
                with np.errstate(invalid="ignore"):
                    ours, theirs = np.abs(a - c) / unit, np.abs(b - c) / unit
                assert not np.any(ours > np.maximum(1.05, theirs.max(initial=0)))


def _double(x: Any) -> Any:
    return x.double() if x.is_floating_point() else x


def test_training_in_half_precision_stays_in_it() -> None:
    for kind in (rg.bfloat16, rg.float16):
        layer = rg.nn.Linear(3, 2).to(kind)
        out = layer(rg.ones(4, 3, dtype=kind)).relu().sum()
        out.backward()
        assert out.dtype is kind and layer.weight.grad.dtype is kind
