"""Wild programs: everything that a user may do to tensors, in any order.

Operations, views, changes in place through them, reads, dropped values, modes, hooks,
backward passes with and without the graph kept, derivatives of derivatives, arrays that
share memory. A program is a list of steps, each a name and a few integers; what they
mean follows from the shapes that are there, so that a program with steps left out is a
program too, and both libraries do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Step = tuple[str, tuple[int, ...]]
Array = np.ndarray[Any, Any]


@dataclass
class World:
    """What a program has made so far, in one library."""

    lib: Any
    values: list[Any] = field(default_factory=list)
    leaves: list[Any] = field(default_factory=list)
    arrays: list[Array] = field(default_factory=list)
    handles: list[Any] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)
    modes: list[Any] = field(default_factory=list)
    over: bool = False

    def pick(self, n: int) -> Any:
        return self.values[n % len(self.values)]

    def tensor(self, shape: tuple[int, ...], seed: int) -> Any:
        size = int(np.prod(shape))
        made = np.sin(1.0 + seed + 1.7 * np.arange(size)).reshape(shape)
        return self.lib.tensor(made, dtype=self.lib.float64)


UNARY: list[Callable[[Any], Any]] = [
    lambda a: a.tanh(), lambda a: a.sin(), lambda a: a.sigmoid(), lambda a: a.relu(),
    lambda a: a.abs(), lambda a: -a, lambda a: a * 0.5, lambda a: 1.5 - a,
    lambda a: (a * a + 1).sqrt(), lambda a: (a * a + 1).log(), lambda a: a.cos() ** 2,
    lambda a: a.clone(), lambda a: a.contiguous(), lambda a: a.clamp(-0.5, 0.5),
]  # fmt: skip
BINARY: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b.tanh(),
    lambda a, b: a / (b * b + 1), lambda a, b: a.maximum(b), lambda a, b: a * (b > 0),
]  # fmt: skip


def _dim(a: Any, n: int) -> int:
    return n % a.dim() if a.dim() else 0


def _shrink(w: World, a: Any, n: int, m: int) -> Any:
    if not a.dim():
        return a.sum()
    d = _dim(a, n)
    return [a.sum(d), a.mean(d, keepdim=True), a.sum(), a.cumsum(d),
            a.softmax(d) if a.shape[d] else a, a.logsumexp(d), a.prod(d)][m % 7]  # fmt: skip


def _view(w: World, a: Any, n: int, m: int) -> Any:
    if not a.dim():
        return [a.view(1), a.expand(2), a.unsqueeze(0), a.reshape(1, 1), a[None]][m % 5]
    d, size = _dim(a, n), a.shape[_dim(a, n)]
    k = n % size if size else 0
    kinds: list[Callable[[], Any]] = [
        lambda: a.transpose(d, -1), lambda: a.flip(0), lambda: a.view(-1),
        lambda: a.reshape(-1), lambda: a.narrow(d, k, max(size - k - 1, 0)),
        lambda: a.select(d, k), lambda: a[k % a.shape[0]], lambda: a[1:],
        lambda: a[..., ::2], lambda: a.unsqueeze(d), lambda: a.squeeze(),
        lambda: a.expand(2, *a.shape) if a.dim() < 3 else a[:1], lambda: a.diagonal()
        if a.dim() > 1 else a, lambda: a.chunk(2, d)[-1], lambda: a.split(1, d)[k],
        lambda: a.unbind(d)[k], lambda: a.movedim(0, -1), lambda: a.flatten(),
        lambda: a.permute(*range(a.dim())[::-1]), lambda: a.view_as(a),
        lambda: a.unfold(d, 2, 2) if a.dim() < 3 else a.t(), lambda: a.detach(),
        lambda: a.swapaxes(0, d), lambda: a.tensor_split(2)[1], lambda: a[None, ..., 0],
        lambda: a.view(a.shape[0], -1),
        lambda: a.T if a.dim() == 2 else a.data, lambda: a.squeeze(d),
    ]  # fmt: skip
    return kinds[m % len(kinds)]()


def _places(w: World, a: Any, n: int, m: int) -> Any:
    size = max(a.shape[0], 1) if a.dim() else 1
    return w.lib.tensor([n % size, m % size, (n + m) % size])


def _indexed(w: World, a: Any, n: int, m: int) -> Any:
    if not a.dim() or not a.numel():
        return a[a > 0]
    i = _places(w, a, n, m)
    kinds: list[Callable[[], Any]] = [
        lambda: a[i], lambda: a[a > 0], lambda: a.index_select(0, i), lambda: a[i.tolist()],
        lambda: a.gather(0, i.view(-1, *[1] * (a.dim() - 1)) + 0 * _long(w, a[:3])),
        lambda: a[..., i % a.shape[-1]], lambda: a.take(i), lambda: a.roll(1, 0),
        lambda: w.lib.cat([a, a[:1]]), lambda: w.lib.stack([a, a * 2]),
        lambda: w.lib.where(a > 0, a, 0.5 * a), lambda: a.masked_fill(a > 0, 0.3),
        lambda: a.sort(0)[0], lambda: a.max(0)[0], lambda: a.argmax(), lambda: a.repeat(2, *[1] * (a.dim() - 1)),
    ]  # fmt: skip
    return kinds[m % len(kinds)]()


def _long(w: World, a: Any) -> Any:
    return a.detach().to(w.lib.int64)


def _change(w: World, a: Any, b: Any, n: int, m: int) -> None:
    kinds: list[Callable[[], Any]] = [
        lambda: a.add_(b), lambda: a.mul_(0.5), lambda: a.sub_(b * 0.5),
        lambda: a.zero_(), lambda: a.fill_(0.7), lambda: a.copy_(b),
        lambda: a.clamp_(-0.6, 0.6), lambda: a.relu_(), lambda: a.tanh_(),
        lambda: a.sigmoid_(), lambda: a.masked_fill_(a > 0, 0.2), lambda: a.neg_(),
        lambda: a.mul_(b.tanh()), lambda: a.sin_(), lambda: a.__setitem__(0, 0.4),
        lambda: a.__setitem__(slice(1, None), b), lambda: a.__setitem__(a > 0, 0.1),
        lambda: a.__setitem__(_places(w, a, n, m), 0.6), lambda: a.__setitem__(..., b),
        lambda: a.index_fill_(0, _places(w, a, n, m), 0.3),
        lambda: a.index_add_(0, _places(w, a, n, m)[:1], b[:1]),
        lambda: _hidden(w, a), lambda: a.detach().mul_(0.8), lambda: a[0].add_(1.0),
        lambda: a.t().add_(b) if a.dim() == 2 else a.view(-1).mul_(0.9),
        lambda: a.addcmul_(a, b, value=0.1), lambda: a.lerp_(b, 0.3), lambda: a.abs_(),
        lambda: a.__iadd__(b), lambda: a.__imul__(a), lambda: a.cumsum_(0),
        lambda: a.pow_(2), lambda: a.div_(2.0), lambda: a.floor_(),
        lambda: a.fill_(b.sum()),
    ]  # fmt: skip
    if a.numel() and not any(
        s == 0 and k > 1 for s, k in zip(a.stride(), a.shape, strict=True)
    ):
        kinds[m % len(kinds)]()


def _hidden(w: World, a: Any) -> None:
    """A change that PyTorch does not count: no backward may ask for what was there."""
    if not any(x.requires_grad for x in w.leaves):
        a.data.add_(0.25)


def _head(w: World, a: Any) -> Any:
    weights = w.tensor(tuple(a.shape), 3)
    return (a * weights).sum()


def _backward(w: World, a: Any, n: int) -> None:
    a = _head(w, a) if a.dim() else a
    a.backward(retain_graph=bool(n & 1), create_graph=n % 8 == 5)


def _grad(w: World, a: Any, n: int, m: int) -> None:
    x = w.pick(m) if n & 1 else w.leaves[m % len(w.leaves)]
    if not x.requires_grad:
        return
    (g,) = w.lib.autograd.grad(
        _head(w, a), x, create_graph=bool(n & 2), retain_graph=True, allow_unused=True
    )
    if g is not None:
        w.values.append(g)


def _hook(w: World, a: Any, n: int) -> None:
    if w.handles and n % 4 == 0:
        w.handles.pop(n % len(w.handles)).remove()
    elif n % 4 == 1:
        a.retain_grad()
    elif n % 4 == 2:
        w.handles.append(a.register_hook(lambda g: g * 0.5))
    else:
        w.handles.append(a.register_hook(lambda g: w.seen.append(_read(g))))


def _read(a: Any) -> Any:
    return np.array(a.detach().numpy(), copy=True)


def _gradient(w: World, n: int, m: int) -> None:
    leaf = w.leaves[n % len(w.leaves)]
    if m % 4 == 0:
        leaf.grad = None
    elif leaf.grad is not None and m % 4 == 1:
        leaf.grad.zero_()
    elif leaf.grad is not None and m % 4 == 2:
        w.values.append(leaf.grad)
    elif leaf.grad is not None:
        with w.lib.no_grad():
            leaf -= 0.1 * leaf.grad


def _array(w: World, a: Any, n: int) -> None:
    if any(x.requires_grad for x in w.leaves):
        return
    if n % 3 == 0 or not w.arrays:
        w.arrays.append(a.detach().numpy())
    else:
        w.arrays[n % len(w.arrays)][...] *= 0.75


def _mode(w: World, n: int) -> None:
    if w.modes and n % 2:
        w.modes.pop().__exit__(None, None, None)
    elif len(w.modes) < 3:
        mode = w.lib.enable_grad() if n % 6 == 4 else w.lib.no_grad()
        mode.__enter__()
        w.modes.append(mode)


def _flag(w: World, n: int, m: int) -> None:
    a = w.pick(n)
    w.seen.append((a.requires_grad, a.is_leaf, tuple(a.shape)))
    leaf = w.leaves[n % len(w.leaves)]
    if m % 5 == 0 and w.leaves[0].requires_grad and leaf is not w.leaves[0]:
        leaf.requires_grad_(m % 2 == 0)


def step(w: World, name: str, how: tuple[int, ...]) -> None:
    """Do one step."""
    a, b, n, m = w.pick(how[0]), w.pick(how[1]), how[2], how[3]
    add = w.values.append
    match name:
        case "unary":
            add(UNARY[m % len(UNARY)](a))
        case "binary":
            add(BINARY[m % len(BINARY)](a, b))
        case "matmul":
            add(a @ b if n & 1 else a @ b.transpose(-1, -2))
        case "shrink":
            add(_shrink(w, a, n, m))
        case "view":
            made = _view(w, a, n, m)
            # PyTorch says of a view made under no_grad that it wants a gradient, and
            # never gives it one
            add(made if w.lib.is_grad_enabled() else made.detach())
        case "index":
            add(_indexed(w, a, n, m))
        case "change":
            _change(w, a, b, n, m)
        case "read":
            w.seen.append(_read(a) if n & 1 else a.tolist())
        case "drop" if len(w.values) > 3:
            w.values.pop(how[0] % len(w.values))
        case "backward":
            _backward(w, a, n)
        case "grad":
            _grad(w, a, n, m)
        case "gradient":
            _gradient(w, n, m)
        case "hook":
            _hook(w, a, n)
        case "array":
            _array(w, a, n)
        case "mode":
            _mode(w, n)
        case "flag":
            _flag(w, how[0], m)
        case "leaf":
            w.leaves.append(w.tensor([(2, 3), (3,), (3, 3), ()][n % 4], m))
            w.leaves[-1].requires_grad_(m % 5 != 0 and w.leaves[0].requires_grad)
            add(w.leaves[-1])


OFTEN = {"unary": 5, "binary": 5, "matmul": 1, "shrink": 3, "view": 8, "index": 4,
         "change": 9, "read": 2, "drop": 3, "backward": 2, "grad": 2, "gradient": 1,
         "hook": 1, "array": 1, "mode": 2, "flag": 1, "leaf": 1}  # fmt: skip
_NAMES = [name for name, often in OFTEN.items() for _ in range(often)]


def program(seed: int, length: int = 25) -> list[Step]:
    """The program of that number."""
    rng = np.random.default_rng(seed)
    return [
        (_NAMES[rng.integers(len(_NAMES))], tuple(rng.integers(0, 1000, 4).tolist()))
        for _ in range(int(rng.integers(3, length + 1)))
    ]


def play(lib: Any, steps: list[Step], wanted: bool = True) -> list[Any]:
    """Run a program (the first leaves want gradients if *wanted*): what was seen at each step, and all values and gradients at the
    end. Refused steps are noted by the class of the error."""
    w = World(lib)
    for shape in ((2, 3), (3,), (3, 3)):
        w.leaves.append(w.tensor(shape, len(w.leaves)).requires_grad_(wanted))
    w.values += w.leaves
    w.values.append(w.tensor((2, 3), 7))
    log: list[Any] = []
    try:
        for name, how in steps:
            w.seen = []
            try:
                step(w, name, how)
                log.append(w.seen)
            except (RuntimeError, IndexError, TypeError, ValueError) as error:
                log.append(error)
                if name in ("backward", "grad"):  # what was done by then is not said
                    return log
            if len(w.values) > 14:
                del w.values[4]
    finally:
        while w.modes:
            w.modes.pop().__exit__(None, None, None)
    log.append([_read(v) for v in w.values])
    try:
        log.append([(v.requires_grad, v.is_leaf) for v in w.values])
    except RuntimeError as error:
        return [*log, error]
    grads = [x.grad for x in w.leaves]
    log.append([None if g is None else _read(g) for g in grads])
    w.seen = []
    try:
        heads = [_head(w, v) for v in w.values if v.requires_grad and v.numel()]
        if heads:
            sum(heads).backward()  # type: ignore[union-attr]
    except RuntimeError as error:
        return [*log, error]
    log.append([None if x.grad is None else _read(x.grad) for x in w.leaves])
    return [*log, w.seen]


def differs(mine: Any, theirs: Any, rtol: float = 1e-9) -> bool:
    """Whether two observations are not the same."""
    if isinstance(theirs, (list, tuple)):
        if not isinstance(mine, (list, tuple)) or len(mine) != len(theirs):
            return True
        return any(differs(a, b, rtol) for a, b in zip(mine, theirs, strict=True))
    if isinstance(theirs, BaseException) or isinstance(mine, BaseException):
        return not isinstance(mine, type(theirs))
    if isinstance(theirs, (np.ndarray, float)):
        if mine is None or np.shape(mine) != np.shape(theirs):
            return not (mine is None and not np.any(theirs))
        big = np.nan_to_num(np.abs(theirs), posinf=0.0).max(initial=1.0)
        return not np.allclose(mine, theirs, rtol, rtol * big, equal_nan=True)
    if theirs is None and isinstance(mine, np.ndarray):
        return bool(mine.any())
    return bool(mine != theirs)


#: what PyTorch refuses and this library does: values that are gone, sources that overlap
#: what is written, views that a function gave several of
_PARTED = ("modified by an inplace operation", "some elements of the input tensor and the",
           "is a view and is being modified inplace", "is a view and its base or",
           "Given that this use case is ambiguous", "backward through the graph a second",
           "has been detached in-place", "returned an invalid gradient",
           "view size is not compatible")  # fmt: skip


def first_difference(mine: list[Any], theirs: list[Any]) -> int | None:
    """The first step at which two runs differ, as far as they can be compared."""
    for i, (a, b) in enumerate(zip(mine, theirs, strict=False)):
        if isinstance(b, RuntimeError) and any(part in str(b) for part in _PARTED):
            return None
        if differs(a, b):
            return i
    return None if len(mine) == len(theirs) else min(len(mine), len(theirs))


def smaller(steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """A failing program without the steps that do not matter."""
    size = max(1, len(steps) // 2)
    while size:
        i = 0
        while i < len(steps):
            rest = steps[:i] + steps[i + size :]
            if fails(rest):
                steps = rest
            else:
                i += size
        size //= 2
    return steps


def described(steps: list[Step], place: int) -> str:
    """The program, with the step at which something differs marked."""
    lines = [
        f"{'>' if i == place else ' '} {name} {how}"
        for i, (name, how) in enumerate(steps)
    ]
    where = "" if place < len(steps) else f"\n> at the end, part {place - len(steps)}"
    return "\n" + "\n".join(lines) + where
