"""Names: variables in sight, modules, and what the lines of a function say."""

import retrograd as rg
import retrograd.nn.functional as F
from retrograd import nn
from retrograd.see.capture import Capture
from retrograd.see.runner import loss_of
from retrograd.see.story import Story


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


def test_layers_of_their_own_are_named_by_their_variables():
    first, second = rg.nn.Linear(2, 3), rg.nn.Linear(3, 1)
    loss = second(rg.relu(first(rg.ones(1, 2)))).sum()
    labels = {x.label for x in rg.explain(loss).description.nodes}
    assert {"first.weight", "second.weight", "first.bias", "second.bias"} <= labels


def test_rounds_of_a_cell_and_of_a_list():
    cell = rg.nn.GRUCell(2, 3)
    x = rg.ones(3, 1, 2)
    h = rg.zeros(1, 3)
    for t in range(3):
        h = cell(x[t], h)
    names = [n.name.text for n in rg.explain(h.sum()).description.nodes]
    assert {"h₁", "h₂", "h₃"} <= set(names)

    weights = [rg.tensor(float(k), requires_grad=True) for k in (2, 3)]
    kept = []
    a = rg.tensor(1.0)
    for w in weights:
        a = a * w
        kept.append(a)
    text = rg.explain(kept[0] + kept[1] ** 2).text()
    assert "kept" not in text and "weights₀" in text


def test_a_list_is_not_the_name_of_its_last_value():
    def loss():
        w = rg.tensor(2.0, requires_grad=True)
        several = [rg.sin(w) * k for k in (1, 2)]
        return several[0] * several[1]

    found = loss()
    assert "several" not in rg.explain(found).text()


def test_two_statements_on_one_line_are_not_guessed(tmp_path):
    lines = ["import retrograd as rg", "def deep():",
             "    w = rg.tensor(2.0, requires_grad=True)",
             "    a = rg.sin(w); b = rg.cos(a)", "    return b * a",
             "def f():", "    return deep()"]  # fmt: skip
    (tmp_path / "s.py").write_text("\n".join(lines))
    loss, names = loss_of(f"{tmp_path / 's.py'}:f")
    found = Story(Capture(loss).reverse().evaluate(), names)
    assert {n.name.text for n in found.description.nodes}.isdisjoint({"a", "b"})


def test_a_module_that_is_gone_gives_its_parameters_no_other_name():
    F = nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.line = nn.LayerNorm(3), nn.Linear(3, 3, bias=False)

        def forward(self, x):
            x = F.relu(self.scale(self.line(x)))
            return x

    def loss():
        data = rg.ones(2, 3)
        return Net()(data).sum()

    labels = {x.label for x in rg.explain(loss()).description.nodes if x.wants_grad}
    assert not labels & {"self", "F", "x", "x0"}
