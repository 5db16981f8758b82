"""Names: variables in sight, modules, and what the lines of a function say."""

import retrograd as rg
import retrograd.nn.functional as F
from retrograd import nn


def labels(loss):
    return [x.name.text for x in rg.explain(loss).description.nodes]


def test_a_function_that_has_returned_is_read():
    def compute():
        weight = rg.tensor([[0.3, -0.2], [1.0, 2.0]], requires_grad=True)
        bias = rg.tensor([0.1, 0.2], requires_grad=True)
        point, target = rg.tensor([1.0, 2.0]), rg.tensor([0.0, 1.0])
        f = bias + weight @ point
        h = rg.relu(f)
        out = F.linear(h, weight, bias)
        return ((out - target) ** 2).sum()

    assert set(labels(compute())) == {
        "weight", "bias", "point", "target", "f", "h", "out", "ℓ",
    }  # fmt: skip


def test_rounds_of_a_loop_and_what_they_start_from():
    def run():
        W = rg.tensor([[0.5, 0.1], [0.2, 0.3]], requires_grad=True)
        U = rg.tensor([[1.0], [0.5]], requires_grad=True)
        xs = rg.tensor([[1.0], [2.0]])
        h = rg.zeros(2)
        for t in range(2):
            h = rg.tanh(W @ h + U @ xs[t])
        return h.sum()

    found = labels(run())
    assert {"W", "U", "xs", "h₀", "h₁", "h₂"} <= set(found)


def test_what_cannot_be_told_is_not_guessed():
    def run(scale):
        parts = [rg.tensor(float(k + 1), requires_grad=True) for k in range(3)]
        total = rg.tensor(0.0)
        for k in range(1, 3):
            total = total + parts[k] * scale
        return total

    found = labels(run(2.0))
    assert not any("parts" in x for x in found)
    assert {"w₁", "w₂"} <= set(found)


def test_modules_by_their_paths_and_the_variables_in_sight():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(2, 3)
            self.scale = nn.Parameter(rg.ones(3))

        def forward(self, x):
            z = self.first(x)
            return z * self.scale

    net, x = Net(), rg.ones(1, 2)
    loss = net(x).sum()
    d = rg.explain(loss).description
    names = {n.label: n.name.text for n in d.nodes if n.formula is None}
    assert names["first.weight"] == "W[first]" and names["scale"] == "scale"
    assert names["x"] == "x"
    modules = {n.name.text: n.module for n in d.nodes}
    assert modules["z"] == "first"


def test_two_values_never_have_one_name():
    def run(x):
        a = x * 2
        b = a
        a = b * 3
        return (a * b).sum()

    found = labels(run(rg.ones(2, requires_grad=True)))
    assert len(found) == len(set(found))


def test_models_with_equal_paths_are_kept_apart():
    encoder, decoder = nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(3, 2))
    unused = nn.Sequential(nn.Linear(2, 3))
    x = rg.ones(1, 2)
    story = rg.explain(decoder(encoder(x)).sum())
    for level in ("modules", "operations"):
        d = story._with(level=level).description
        paths = {m.path: m.kind for m in d.modules}
        assert paths == {
            "encoder": "Sequential", "encoder.0": "Linear",
            "decoder": "Sequential", "decoder.0": "Linear",
        }  # fmt: skip
        assert {"W[encoder.0]", "W[decoder.0]"} <= {n.name.text for n in d.nodes}
    alone = rg.explain(unused(x).sum()).description
    assert [m.path for m in alone.modules] == ["0"], "one model needs no prefix"
    hidden = [[[[nn.Linear(2, 2)]]], [[[nn.Linear(2, 2)]]]]
    for layer in hidden:
        x = layer[0][0][0](x)
    found = rg.explain(x.sum()).description
    assert {n.module for n in found.nodes} - {""} == {"Linear", "Linear#2"}
