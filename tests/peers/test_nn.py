"""Every module beside PyTorch's: same text, same state dict, same numbers."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

X = (4, 6)  # (samples, features)
L, P, V = (2, 4, 9), (2, 4, 7, 8), (2, 4, 5, 6, 5)  # signals, images, volumes


class Case:
    """A module and what it is called on: shapes (of normal numbers), or arrays."""

    def __init__(
        self, name: str, *args: Any, on: Any = X, grads: bool = True, **kw: Any
    ):
        self.name, self.args, self.kwargs, self.grads = name, args, kw, grads
        self.on = on if isinstance(on, list) else [on]

    def __repr__(self) -> str:
        words = [
            *map(_short, self.args),
            *(f"{k}={_short(v)}" for k, v in self.kwargs.items()),
        ]
        return f"{self.name}({', '.join(words)})"

    def build(self, lib: Any) -> Any:
        def own(value: Any) -> Any:
            return lib.tensor(value) if isinstance(value, np.ndarray) else value

        args = [own(a) for a in self.args]
        kwargs = {k: own(v) for k, v in self.kwargs.items()}
        return getattr(lib.nn, self.name)(*args, **kwargs)

    def arrays(self) -> list[Any]:
        numbers = np.random.default_rng(7)
        return [
            numbers.standard_normal(x) if isinstance(x, tuple) else x for x in self.on
        ]


def _short(value: Any) -> str:
    return "array" if isinstance(value, np.ndarray) else str(value)


def ints(low: int, high: int, *shape: int) -> Any:
    return np.random.default_rng(3).integers(low, high, shape)


def uniform(low: float, high: float, *shape: int) -> Any:
    return np.random.default_rng(5).uniform(low, high, shape)


C = Case
signs = ints(0, 2, 4, 6) * 2 - 1.0
weights = uniform(0.5, 2, 6)

ACTIVATIONS = [
    C("Identity"), C("ReLU"), C("ReLU", inplace=True), C("ReLU6"), C("LeakyReLU"),
    C("LeakyReLU", 0.2), C("PReLU"), C("PReLU", 6), C("RReLU"), C("ELU"), C("ELU", 0.5),
    C("SELU"), C("CELU"), C("CELU", 0.7), C("GELU"), C("GELU", "tanh"), C("SiLU"),
    C("Mish"), C("Sigmoid"), C("LogSigmoid"), C("Tanh"), C("Softplus"),
    C("Softplus", 2.0, 1.5), C("Softsign"), C("Hardtanh"), C("Hardtanh", -0.5, 0.25),
    C("Hardsigmoid"), C("Hardswish"), C("Tanhshrink"), C("Softshrink"),
    C("Hardshrink", 0.3), C("Threshold", 0.1, 20.0), C("GLU"), C("GLU", 0),
    C("Softmax", dim=1), C("LogSoftmax", dim=0), C("Softmin", dim=1),
    C("Softmax2d", on=P),
]  # fmt: skip
LINEAR = [
    C("Linear", 6, 3), C("Linear", 6, 3, bias=False), C("Linear", 6, 3, on=(6,)),
    C("Linear", 6, 3, on=(2, 3, 6)), C("Bilinear", 6, 5, 3, on=[X, (4, 5)]),
    C("Bilinear", 6, 5, 3, bias=False, on=[(2, 4, 6), (2, 4, 5)]),
    C("Flatten", on=P), C("Flatten", 2, 3, on=P), C("Unflatten", 1, (2, 2), on=P),
    C("Embedding", 10, 3, on=ints(0, 10, 4, 5)),
    C("Embedding", 10, 3, padding_idx=-2, on=ints(6, 10, 4, 5)),
]  # fmt: skip
CONVOLUTIONS = [
    C("Conv1d", 4, 6, 3, on=L), C("Conv1d", 4, 6, 3, stride=2, padding=2, on=L),
    C("Conv1d", 4, 6, 4, padding="same", on=L), C("Conv1d", 4, 6, 3, on=(4, 9)),
    C("Conv2d", 4, 6, 3, on=P), C("Conv2d", 4, 6, (3, 2), (2, 1), (1, 0), on=P),
    C("Conv2d", 4, 6, 3, dilation=2, groups=2, bias=False, on=P),
    C("Conv2d", 4, 4, 3, groups=4, padding="valid", on=P),
    C("Conv2d", 4, 6, 3, padding=1, padding_mode="reflect", on=P),
    C("Conv2d", 4, 6, 3, padding=(2, 1), padding_mode="replicate", on=P),
    C("Conv2d", 4, 6, (3, 4), padding="same", padding_mode="circular", on=P),
    C("Conv3d", 4, 2, (2, 3, 3), padding=1, on=V),
    C("ConvTranspose1d", 4, 6, 3, stride=2, on=L),
    C("ConvTranspose2d", 4, 6, 3, 2, 1, 1, on=P),
    C("ConvTranspose2d", 4, 6, (2, 3), dilation=2, groups=2, bias=False, on=P),
    C("ConvTranspose3d", 4, 2, 2, stride=2, on=V),
    C("Unfold", (2, 3), padding=1, stride=2, on=P),
    C("Fold", (5, 6), (2, 3), on=(2, 12, 16)),
]  # fmt: skip
POOLING = [
    C("MaxPool1d", 3, on=L), C("MaxPool1d", 3, 1, 1, on=L), C("MaxPool2d", 2, on=P),
    C("MaxPool2d", (3, 2), (2, 1), (1, 0), on=P),
    C("MaxPool2d", 3, 2, dilation=2, on=P), C("MaxPool2d", 2, ceil_mode=True, on=P),
    C("MaxPool2d", 2, return_indices=True, on=P), C("MaxPool3d", 2, on=V),
    C("AvgPool1d", 3, on=L), C("AvgPool2d", 2, on=P),
    C("AvgPool2d", 3, 2, 1, count_include_pad=False, on=P),
    C("AvgPool2d", 3, 2, 1, ceil_mode=True, on=P),
    C("AvgPool2d", 2, divisor_override=3, on=P), C("AvgPool3d", 2, on=V),
    C("AdaptiveAvgPool1d", 4, on=L), C("AdaptiveAvgPool2d", 1, on=P),
    C("AdaptiveAvgPool2d", (3, None), on=P), C("AdaptiveAvgPool3d", (2, 3, 1), on=V),
    C("AdaptiveMaxPool1d", 4, on=L), C("AdaptiveMaxPool2d", (3, 5), on=P),
    C("LPPool1d", 2, 3, on=uniform(0.1, 1, *L)),
    C("LPPool2d", 2, 2, on=uniform(0.1, 1, *P)),
    C("AdaptiveMaxPool3d", (2, 3, None), on=V),
    C("AdaptiveMaxPool2d", (3, 5), return_indices=True, on=P),
    C("LPPool3d", 2, 2, on=uniform(0.1, 1, *V)),
    C("PixelShuffle", 2, on=P), C("PixelUnshuffle", 4, on=(2, 3, 4, 8)),
    C("ChannelShuffle", 2, on=P), C("Upsample", scale_factor=2, on=P),
    C("Upsample", (3, 11), mode="bicubic", align_corners=True, on=P),
    C("UpsamplingNearest2d", (4, 3), on=P), C("UpsamplingBilinear2d", (9, 3), on=P),
]  # fmt: skip
NORMS = [
    C("BatchNorm1d", 6), C("BatchNorm1d", 4, on=L),
    C("BatchNorm1d", 6, eps=1e-3, momentum=0.3),
    C("BatchNorm1d", 6, momentum=None), C("BatchNorm1d", 6, affine=False),
    C("BatchNorm1d", 6, track_running_stats=False), C("BatchNorm1d", 6, bias=False),
    C("BatchNorm2d", 4, on=P), C("BatchNorm3d", 4, on=V), C("LayerNorm", 6),
    C("LayerNorm", (7, 8), on=P), C("LayerNorm", 6, elementwise_affine=False),
    C("LayerNorm", 6, bias=False, eps=1e-2), C("GroupNorm", 2, 4, on=P),
    C("GroupNorm", 4, 4, affine=False, on=L), C("GroupNorm", 1, 6),
    C("InstanceNorm1d", 4, on=L), C("InstanceNorm1d", 4, on=(4, 9)),
    C("InstanceNorm2d", 4, affine=True, track_running_stats=True, on=P),
    C("InstanceNorm3d", 4, on=V), C("RMSNorm", 6), C("RMSNorm", (7, 8), on=P),
    C("RMSNorm", 6, eps=1e-2, elementwise_affine=False),
    C("LocalResponseNorm", 3, on=P),
]  # fmt: skip
LOSSES = [
    C("MSELoss", on=[X, X]), C("MSELoss", reduction="sum", on=[X, X]),
    C("MSELoss", reduction="none", on=[X, X]), C("L1Loss", on=[X, X]),
    C("SmoothL1Loss", on=[X, X]), C("SmoothL1Loss", beta=0.3, on=[X, X]),
    C("HuberLoss", delta=0.5, on=[X, X]),
    C("NLLLoss", on=[X, ints(0, 6, 4)]),
    C("NLLLoss", weights, ignore_index=2, on=[X, ints(0, 6, 4)]),
    C("CrossEntropyLoss", on=[X, ints(0, 6, 4)]),
    C("CrossEntropyLoss", weights, on=[X, ints(0, 6, 4)]),
    C("CrossEntropyLoss", weights, label_smoothing=0.1, on=[X, ints(0, 6, 4)]),
    C("CrossEntropyLoss", ignore_index=2, reduction="sum", on=[X, ints(0, 6, 4)]),
    C("CrossEntropyLoss", reduction="none", on=[P, ints(0, 4, 2, 7, 8)]),
    C("CrossEntropyLoss", on=[X, uniform(0, 1, *X)]),
    C("CrossEntropyLoss", on=[(6,), np.array(3)]),
    C("BCELoss", on=[uniform(0.1, 0.9, *X), uniform(0, 1, *X)]),
    C("BCELoss", weights, on=[uniform(0.1, 0.9, *X), uniform(0, 1, *X)]),
    C("BCEWithLogitsLoss", on=[X, uniform(0, 1, *X)]),
    C("BCEWithLogitsLoss", pos_weight=weights, on=[X, uniform(0, 1, *X)]),
    C("KLDivLoss", reduction="batchmean", on=[X, uniform(0.1, 1, *X)]),
    C("KLDivLoss", reduction="sum", log_target=True, on=[X, X]),
    C("PoissonNLLLoss", on=[X, uniform(0, 5, *X)]),
    C("PoissonNLLLoss", False, True, on=[uniform(0.1, 2, *X), uniform(0, 5, *X)]),
    C("GaussianNLLLoss", on=[X, X, uniform(0.1, 2, *X)]),
    C("GaussianNLLLoss", full=True, on=[X, X, uniform(0.1, 2, 4, 1)]),
    C("HingeEmbeddingLoss", on=[X, signs]),
    C("MarginRankingLoss", margin=0.3, on=[X, X, signs]),
    C("CosineEmbeddingLoss", margin=0.1, on=[X, X, signs[:, 0]]),
    C("SoftMarginLoss", on=[X, signs]),
    C("MultiMarginLoss", on=[X, ints(0, 6, 4)]),
    C("MultiMarginLoss", 2, 0.5, weights, on=[X, ints(0, 6, 4)]),
    C("TripletMarginLoss", on=[X, X, X]),
    C("TripletMarginLoss", 0.5, swap=True, on=[X, X, X]),
    C("TripletMarginWithDistanceLoss", margin=0.5, swap=True, on=[X, X, X]),
    C("MultiLabelMarginLoss", on=[X, ints(-1, 6, *X)]),
    C("MultiLabelSoftMarginLoss", weights, on=[X, ints(0, 2, *X) * 1.0]),
    C("LinearCrossEntropyLoss", 6, 5, bias=True, on=[X, ints(0, 5, 4)]),
    C("AdaptiveLogSoftmaxWithLoss", 6, 9, [2, 5], 1.5, True, on=[X, ints(0, 9, 4)]),
    C("CosineSimilarity", on=[X, X]), C("PairwiseDistance", on=[X, X]),
    C("PairwiseDistance", 1.0, keepdim=True, on=[X, X]),
]  # fmt: skip
PADDING = [
    C(f"{kind}Pad{n}d", width, *value, on=shape)
    for kind, *value in (
        ("Zero",), ("Constant", 2.5), ("Reflection",), ("Replication",), ("Circular",)
    )
    for n, shape in ((1, L), (2, P), (3, V))
    for width in (1, tuple(range(1, 2 * n + 1))[::-1] if n < 2 else (2, 1) * n)
]  # fmt: skip
DROPOUT = [
    C("Dropout", 0.3), C("Dropout1d", on=L), C("Dropout2d", on=P),
    C("Dropout3d", on=V), C("AlphaDropout"), C("FeatureAlphaDropout", on=P),
]  # fmt: skip
ALL = [
    *ACTIVATIONS,
    *LINEAR,
    *CONVOLUTIONS,
    *POOLING,
    *NORMS,
    *LOSSES,
    *PADDING,
    *DROPOUT,
]


def give(module: Any, peer: Any) -> None:
    """Random values for the peer's parameters, the same for ours."""
    numbers = np.random.default_rng(1)
    with torch.no_grad():
        for p in peer.parameters():
            p.copy_(torch.tensor(numbers.standard_normal(tuple(p.shape))))
    module.load_state_dict({k: v.numpy() for k, v in peer.state_dict().items()})


def as_inputs(lib: Any, case: Case) -> list[Any]:
    made = []
    for i, array in enumerate(case.arrays()):
        tensor = lib.tensor(array)
        if np.asarray(array).dtype.kind == "f":
            target = i == len(case.on) - 1 and "Loss" in case.name and len(case.on) > 1
            tensor = tensor.requires_grad_(
                i == 0 or not (target or "Gauss" in case.name)
            )
        made.append(tensor)
    return made


def close(ours: Any, theirs: Any, what: str, rough: bool = False) -> None:
    assert (ours is None) == (theirs is None), what
    if theirs is None:
        return
    theirs = theirs.detach().numpy()
    ours = ours.detach().numpy()
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, what
    # PyTorch keeps some constants of derivatives (1/6, 1/α) in float32.
    rtol = 1e-7 if rough else 1e-10
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-11, err_msg=what)


def run_both(case: Case, module: Any, peer: Any) -> None:
    mine, yours = as_inputs(rg, case), as_inputs(torch, case)
    if case.kwargs.get("inplace"):  # on a value that was computed: leaves refuse
        ours, theirs = module(*[x * 1.0 for x in mine]), peer(*[x * 1.0 for x in yours])
    else:
        ours, theirs = module(*mine), peer(*yours)
    if isinstance(theirs, tuple):
        for one, other in zip(ours, theirs, strict=True):
            close(one, other, "output")
        ours, theirs = ours[0], theirs[0]
    close(ours, theirs, "output")
    for name, buffer in peer.named_buffers():
        close(module.get_buffer(name), buffer, name)
    if not theirs.requires_grad:
        return
    seed = np.random.default_rng(2).standard_normal(tuple(theirs.shape))
    ours.backward(rg.tensor(seed))
    theirs.backward(torch.tensor(seed))
    for i, (x, y) in enumerate(zip(mine, yours, strict=True)):
        rough = case.name in ("CELU", "Hardsigmoid")
        close(x.grad, y.grad, f"gradient of input {i}", rough)
    for name, p in peer.named_parameters():
        close(module.get_parameter(name).grad, p.grad, f"gradient of {name}")


@pytest.mark.parametrize("case", ALL, ids=repr)
def test_same_text_and_state(case: Case) -> None:
    module, peer = case.build(rg), case.build(torch)
    assert repr(module) == repr(peer)
    state, other = module.state_dict(), peer.state_dict()
    assert list(state) == list(other)
    for key, value in other.items():
        assert tuple(state[key].shape) == tuple(value.shape), key
        assert state[key].dtype.name == str(value.dtype).removeprefix("torch."), key
    assert [n for n, _ in module.named_parameters()] == [
        n for n, _ in peer.named_parameters()
    ]
    assert vars(state)["_metadata"] == vars(other)["_metadata"]


@pytest.mark.parametrize("name", sorted({c.name for c in ALL}))
def test_same_arguments_and_defaults(name: str) -> None:
    ours = inspect.signature(getattr(rg.nn, name)).parameters
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    if "args" in theirs:
        return
    assert list(ours) == list(theirs)
    for key, parameter in theirs.items():
        assert ours[key].default == parameter.default, key
        assert ours[key].kind == parameter.kind, key


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("case", [c for c in ALL if c not in DROPOUT], ids=repr)
def test_same_numbers_and_gradients(case: Case) -> None:
    module, peer = case.build(rg).double(), case.build(torch).double()
    give(module, peer)
    if case.name == "RReLU":
        module.eval()
        peer.eval()
    run_both(case, module, peer)
    module.zero_grad()
    peer.zero_grad()
    run_both(case, module.eval(), peer.eval())


@pytest.mark.parametrize("case", DROPOUT, ids=repr)
def test_dropout_is_the_identity_in_evaluation(case: Case) -> None:
    run_both(case, case.build(rg).eval(), case.build(torch).eval())


BAD = [
    lambda lib: lib.nn.Conv2d(3, 4, 3, groups=2),
    lambda lib: lib.nn.Conv2d(4, 3, 3, groups=2),
    lambda lib: lib.nn.Conv2d(4, 4, 3, groups=0),
    lambda lib: lib.nn.Conv2d(4, 4, 3, padding="some"),
    lambda lib: lib.nn.Conv2d(4, 4, 3, stride=2, padding="same"),
    lambda lib: lib.nn.Conv2d(4, 4, 3, padding_mode="mirror"),
    lambda lib: lib.nn.ConvTranspose2d(4, 4, 3, padding_mode="reflect"),
    lambda lib: lib.nn.ConvTranspose2d(4, 4, 3, 2)(lib.ones(1, 4, 3, 3), (20, 20)),
    lambda lib: lib.nn.Dropout(1.5),
    lambda lib: lib.nn.GroupNorm(3, 4),
    lambda lib: lib.nn.BatchNorm1d(3)(lib.ones(2, 3, 4, 5)),
    lambda lib: lib.nn.BatchNorm2d(3)(lib.ones(2, 3)),
    lambda lib: lib.nn.BatchNorm1d(3)(lib.ones(1, 3)),
    lambda lib: lib.nn.Softmax2d()(lib.ones(3, 3)),
    lambda lib: lib.nn.MultiMarginLoss(p=3),
    lambda lib: lib.nn.TripletMarginLoss(margin=-1.0),
    lambda lib: lib.nn.Unflatten(1, 3),
    lambda lib: lib.nn.Embedding(3, 4, padding_idx=7),
    lambda lib: lib.nn.Bilinear(0, 1, 2),
    lambda lib: lib.nn.Hardtanh(2.0, 1.0),
    lambda lib: lib.nn.Sequential(3),
    lambda lib: lib.nn.Sequential(lib.nn.ReLU())[1],
    lambda lib: lib.nn.Sequential().insert(5, lib.nn.ReLU()),
    lambda lib: lib.nn.Sequential(lib.nn.ReLU()) + 3,
    lambda lib: lib.nn.Sequential(lib.nn.ReLU()) * 0,
    lambda lib: lib.nn.ModuleList([lib.nn.ReLU()])[3],
    lambda lib: lib.nn.ModuleList(3),
    lambda lib: lib.nn.ModuleDict({"a": 3}),
    lambda lib: lib.nn.ModuleDict([("a",)]),
    lambda lib: lib.nn.ModuleDict()["a"],
    lambda lib: lib.nn.ParameterDict()["a"],
    lambda lib: lib.nn.ParameterList([])[0],
    lambda lib: lib.nn.Linear(2, 2)(lib.ones(1, 3)),
    lambda lib: lib.nn.Module()(1),
    lambda lib: lib.nn.Linear(2, 2).get_submodule("x"),
    lambda lib: lib.nn.Linear(2, 2).register_parameter("a.b", None),
    lambda lib: lib.nn.Linear(2, 2).register_buffer("weight", None),
    lambda lib: setattr(lib.nn.Linear(2, 2), "weight", lib.ones(2, 2)),
    lambda lib: lib.nn.Linear(2, 2).load_state_dict({}),
    lambda lib: lib.nn.Linear(2, 2, dtype=lib.float64)(lib.ones(1, 2)),
    lambda lib: lib.nn.Linear(2, 2).no_such,
    lambda lib: lib.nn.Linear(2),
    lambda lib: lib.nn.init.kaiming_uniform_(lib.ones(3)),
    lambda lib: lib.nn.init.kaiming_uniform_(lib.ones(3, 3), mode="both"),
    lambda lib: lib.nn.init.kaiming_uniform_(lib.ones(3, 3), nonlinearity="wavy"),
    lambda lib: lib.nn.init.eye_(lib.ones(3)),
    lambda lib: lib.nn.init.dirac_(lib.ones(3, 3)),
    lambda lib: lib.nn.init.dirac_(lib.ones(3, 3, 3), groups=2),
    lambda lib: lib.nn.init.orthogonal_(lib.ones(3)),
    lambda lib: lib.nn.init.sparse_(lib.ones(3), 0.5),
    lambda lib: lib.nn.init.calculate_gain("wavy"),
    lambda lib: lib.nn.init.calculate_gain("leaky_relu", "a"),
]


@pytest.mark.parametrize("index", range(len(BAD)))
def test_same_class_of_error(index: int) -> None:
    raised = []
    for lib in (rg, torch):
        with pytest.raises(Exception) as caught:
            BAD[index](lib)
        raised.append(caught)
    ours, theirs = raised
    assert isinstance(ours.value, theirs.type), (ours.value, theirs.value)


def test_containers_print_and_behave_the_same() -> None:
    for build in (
        lambda nn: nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3))[1:],
        lambda nn: nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh())),
        lambda nn: nn.Sequential(nn.ReLU()) + nn.Sequential(nn.Tanh()),
        lambda nn: nn.Sequential(nn.ReLU(), nn.Tanh()) * 2,
        lambda nn: nn.Sequential(nn.ReLU()).append(nn.Tanh()).insert(1, nn.ELU()),
        lambda nn: nn.Sequential(OrderedDict(a=nn.ReLU())).extend([nn.Tanh()]),
        lambda nn: nn.Sequential(nn.Sequential(nn.ReLU()), nn.ModuleList()),
        lambda nn: nn.ModuleList([nn.Linear(2, 2)] * 3 + [nn.ReLU()]),
        lambda nn: nn.ModuleList([nn.Sequential(nn.ReLU(), nn.Tanh())] * 2)[:1],
        lambda nn: nn.ModuleList([nn.ReLU()]) + [nn.Tanh()],  # noqa: RUF005
        lambda nn: nn.ModuleDict({"a": nn.ReLU(), "b": nn.Linear(1, 1)}),
        lambda nn: nn.ModuleDict(),
    ):
        assert repr(build(rg.nn)) == repr(build(torch.nn))
    for build in (
        lambda lib: lib.nn.ParameterList(
            [lib.ones(2, 3), lib.nn.Parameter(lib.ones(1))]
        ),
        lambda lib: lib.nn.ParameterList([lib.ones(()), "text"]),
        lambda lib: lib.nn.ParameterDict({"a": lib.ones(2, 3), "b": 3}),
    ):
        theirs = repr(build(torch)).replace("torch.", "retrograd.")
        ours = repr(build(rg))
        assert ours.replace("float32", "FloatTensor") == theirs.replace(
            "float32", "FloatTensor"
        )


def test_a_state_dict_of_pytorch_loads_as_it_is() -> None:
    peer = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Flatten(),
        torch.nn.Linear(48, 2),
    ).eval()  # fmt: skip
    nn = rg.nn
    ours = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 2)
    ).eval()
    ours.load_state_dict(peer.state_dict())
    x = np.random.default_rng(0).standard_normal((2, 1, 6, 6)).astype(np.float32)
    found = ours(rg.tensor(x)).detach().numpy()
    expected = peer(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_hundred_steps_of_a_network_with_everything() -> None:
    def build(nn: Any) -> Any:
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
            nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.GELU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(4), nn.Linear(4, 3),
        )  # fmt: skip

    ours, peer = build(rg.nn).double(), build(torch.nn).double()
    ours.load_state_dict(peer.state_dict())
    numbers = np.random.default_rng(0)
    losses: list[list[float]] = [[], []]
    batches = [
        (numbers.standard_normal((6, 1, 8, 8)), numbers.integers(0, 3, 6))
        for _ in range(5)
    ]
    for place, (lib, net) in enumerate(((rg, ours), (torch, peer))):
        criterion = lib.nn.CrossEntropyLoss()
        for step in range(30):
            x, y = batches[step % 5]
            loss = criterion(net(lib.tensor(x)), lib.tensor(y))
            net.zero_grad()
            loss.backward()
            lib.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            with lib.no_grad():
                for p in net.parameters():
                    p -= 0.1 * p.grad
            losses[place].append(loss.item())
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-8)
    for key, value in peer.state_dict().items():
        close(ours.state_dict()[key], value, key)


def test_hooks_see_the_same() -> None:
    def watched(lib: Any) -> list[Any]:
        seen: list[Any] = []
        torch_like = lib.nn

        class Two(torch_like.Module):  # type: ignore[name-defined,misc]
            def forward(self, a: Any, b: Any, c: int) -> Any:
                return a * b, a + c

        two = Two()
        two.register_full_backward_pre_hook(
            lambda m, go: seen.append(("pre", [g.tolist() for g in go]))
        )
        two.register_full_backward_hook(
            lambda m, gi, go: seen.append(
                ("post", [g if g is None else g.tolist() for g in gi], len(go))
            )
        )
        two.register_forward_hook(
            lambda m, args, out: seen.append(("forward", len(args)))
        )
        a = lib.tensor([1.0, 2.0], requires_grad=True)
        b = lib.tensor([3.0, 4.0], requires_grad=True)
        p, q = two(a, b, 5)
        (p.sum() * 2 + q.sum() * 3).backward()
        return [*seen, a.grad.tolist(), b.grad.tolist()]

    assert watched(rg) == watched(torch)


def test_clipping() -> None:
    for norm_type in (2.0, 1.0, 3.0, float("inf")):
        for bound in (0.5, 100.0):
            totals, grads = [], []
            for lib in (rg, torch):
                numbers = np.random.default_rng(0)
                ps = [lib.nn.Parameter(lib.zeros(3, 2)), lib.nn.Parameter(lib.zeros(4))]
                for p in ps:
                    values = numbers.standard_normal(tuple(p.shape)).astype(np.float32)
                    p.grad = lib.tensor(values)
                total = lib.nn.utils.clip_grad_norm_(ps, bound, norm_type)
                totals.append(total.item())
                grads.append(np.concatenate([p.grad.numpy().ravel() for p in ps]))
            assert totals[0] == pytest.approx(totals[1], rel=1e-5)
            np.testing.assert_allclose(grads[0], grads[1], rtol=1e-5)
