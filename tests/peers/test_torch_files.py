"""Files that torch.save writes, read without executing them; and hostile ones."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.io import FileError

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


def written(value: Any, **options: Any) -> io.BytesIO:
    """The file of torch.save."""
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return file


def same(mine: Any, theirs: Any) -> None:
    """The same tree of tensors and plain values."""
    if isinstance(theirs, torch.Tensor):
        assert isinstance(mine, rg.Tensor)
        assert str(mine.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
        assert tuple(mine.shape) == tuple(theirs.shape)
        assert mine.requires_grad == theirs.requires_grad
        a, b = mine.detach().double().numpy(), theirs.detach().double().numpy()
        np.testing.assert_array_equal(a, b)
        return
    if isinstance(theirs, dict):
        assert type(mine) is type(theirs)
        assert list(mine) == list(theirs)
        for key in theirs:
            same(mine[key], theirs[key])
    elif isinstance(theirs, (list, tuple)) and type(theirs) in (list, tuple):
        assert type(mine) is type(theirs)
        assert len(mine) == len(theirs)
        for a, b in zip(mine, theirs, strict=True):
            same(a, b)
    elif isinstance(theirs, (torch.dtype, torch.Size, torch.device)):
        assert str(mine).replace("retrograd", "torch") == str(theirs)
    elif isinstance(theirs, np.ndarray):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
    else:
        assert type(mine) is type(theirs)
        assert mine == theirs


X = torch.arange(12, dtype=torch.float32).reshape(3, 4)
VALUES: dict[str, Any] = {
    **{f"{dtype}".split(".")[1]: X.to(dtype) for dtype in (
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64,
        torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)},
    "no elements": [torch.zeros(0), torch.zeros(2, 0, 3), X[:0]],
    "a number": torch.tensor(3.5),
    "special": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
    "views": [X, X[1], X.t(), X[:, ::2], X[1:, 1:], X.expand(2, 3, 4), X[0, 0]],
    "parameters": [torch.nn.Parameter(X), torch.nn.Parameter(X, requires_grad=False)],
    "wants a gradient": X.clone().requires_grad_(),
    "plain": {"a": [1, 2.5, None, True, "täxt", b"\x00\xff", (1, (2,)), -7, 10**30],
              3: {"x": float("inf")}, "set": {1, 2}, "frozen": frozenset([3]),
              "slice": slice(1, None, 2), "complex": 1 + 2j, "counter": Counter("abca"),
              "ordered": OrderedDict(b=1, a=2), "empty": [(), [], {}],
              "array": bytearray(b"xyz")},
    "torch's own": [torch.float16, torch.int64, torch.bool, torch.Size([2, 3]),
                    torch.Size([]), torch.device("cpu")],
    "numpy": [np.float64(2.5), np.int32(-3), np.arange(6).reshape(2, 3),
              np.asfortranarray(np.ones((2, 3))), np.array(1.5, ">f4"),
              {"deep": (np.bool_(True), [np.zeros((0, 2), np.float16)])}],
    "long lists": list(range(3000)),
    "many names": {f"key{i}": i for i in range(2000)},
}  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", VALUES)
def test_values(name: str, protocol: int) -> None:
    file = written(VALUES[name], pickle_protocol=protocol)
    same(rg.load(file), torch.load(io.BytesIO(file.getvalue()), weights_only=False))


def test_strides_and_shared_memory() -> None:
    """Tensors that were views of one memory are so again."""
    x = X.clone()
    a, b, c = rg.load(written([x, x.t(), torch.nn.Parameter(x[1])]))
    assert b.stride() == (1, 4)
    assert c.storage_offset() == 4
    pending = b * 2
    a[1, 2] = 100
    assert b[2, 1].item() == 100
    assert c[2].item() == 100
    assert pending[2, 1].item() == 12
    with rg.no_grad():
        c.zero_()
    assert a[1].tolist() == [0, 0, 0, 0]
    # and what was not shared is not
    a, b = rg.load(written([x, x.clone()]))
    a.zero_()
    assert b[0, 1].item() == 1


def test_a_model_goes_on() -> None:
    """The same network from the same file makes the same steps."""
    torch.manual_seed(0)

    def network(lib: Any) -> Any:
        return lib.nn.Sequential(
            lib.nn.Conv1d(2, 4, 3), lib.nn.BatchNorm1d(4), lib.nn.ReLU(),
            lib.nn.Flatten(), lib.nn.Linear(12, 3),
        )  # fmt: skip

    theirs = network(torch)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01)
    xs = torch.randn(6, 2, 5)

    def step(net: Any, opt: Any, x: Any) -> float:
        opt.zero_grad()
        loss = (net(x) ** 2).mean()
        loss.backward()
        opt.step()
        return float(loss.detach())

    step(theirs, optimizer, xs)
    state = {"model": theirs.state_dict(), "optimizer": optimizer.state_dict()}
    loaded = rg.load(written(state), map_location="cpu", weights_only=True)
    mine = network(rg)
    assert (
        str(mine.load_state_dict(loaded["model"])) == "<All keys matched successfully>"
    )
    own = rg.optim.Adam(mine.parameters(), lr=0.5)
    own.load_state_dict(loaded["optimizer"])
    for _ in range(3):
        a = step(mine, own, rg.from_numpy(xs.numpy()))
        assert a == pytest.approx(step(theirs, optimizer, xs), rel=1e-5)
    assert mine[1].num_batches_tracked.item() == theirs[1].num_batches_tracked.item()


def test_paths_and_files(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"a": X}, path)
    same(rg.load(path), {"a": X})
    same(rg.load(str(path)), {"a": X})
    with path.open("rb") as file:
        same(rg.load(file), {"a": X})
    data = b"before" + path.read_bytes()
    file = io.BytesIO(data)
    file.seek(6)
    same(rg.load(file), {"a": X})


def test_without_checksums() -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        same(rg.load(written(X)), X)
    finally:
        torch.serialization.set_crc32_options(before)


def repacked(
    file: io.BytesIO, change: dict[str, bytes | None], compress: bool = False
) -> io.BytesIO:
    """The archive with other records (None: without that one)."""
    out = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w", kind) as new:
        for name in old.namelist():
            last = name.split("/", 1)[1]
            data = change[last] if last in change else old.read(name)
            if data is not None:
                new.writestr(name, data)
        for name, extra in change.items():
            if f"archive/{name}" not in old.namelist() and extra is not None:
                new.writestr(f"archive/{name}", extra)
    out.seek(0)
    return out


def test_the_other_order_of_bytes() -> None:
    file = written([X, X.to(torch.int16), X.bfloat16(), X.bool()])
    with zipfile.ZipFile(file) as z:
        names = sorted(n for n in z.namelist() if "/data/" in n and n[-1].isdigit())
        records = [np.frombuffer(z.read(n), k) for n, k in
                   zip(names, ("f4", "i2", "i2", "i1"), strict=True)]  # fmt: skip
    change: dict[str, bytes | None] = {
        f"data/{i}": r.byteswap().tobytes() for i, r in enumerate(records)
    }
    loaded = rg.load(repacked(file, {**change, "byteorder": b"big"}))
    same(loaded, [X, X.to(torch.int16), X.bfloat16(), X.bool()])


# -- what is refused -------------------------------------------------------------------


class Calls:
    """An object whose pickle calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made = function, arguments

    def __reduce__(self) -> Any:
        return self.made


def with_pickle(data: bytes) -> io.BytesIO:
    """An archive of PyTorch's with another description."""
    return repacked(written([X]), {"data.pkl": data})


def refused(file: Any, *words: str) -> None:
    """One error, that says why and names the file."""
    with pytest.raises(FileError) as caught:
        rg.load(file)
    for word in words:
        assert word in str(caught.value)


HOSTILE: dict[str, Any] = {
    "os.system": Calls(os.system, "touch hostile"),
    "eval": Calls(eval, "__import__('os').system('touch hostile')"),
    "exec": Calls(exec, "open('hostile', 'w')"),
    "getattr": Calls(getattr, [], "append"),
    "open": Calls(open, "hostile", "w"),
    "a class": Calls(Path, "hostile"),
    "bytearray of a size": Calls(bytearray, 10**12),
    "bytes of a size": Calls(bytes, 10**12),
    "a set of a function": Calls(set, Calls(os.system, "touch hostile")),
    "a range": Calls(range, 10**12),
    "import_module": Calls(__import__, "antigravity"),
}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles(
    name: str, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in (HOSTILE[name], {"weight": [HOSTILE[name]]}):
        refused(with_pickle(pickle.dumps(value, protocol)), "the file")
    assert not list(tmp_path.iterdir())


def test_a_function_is_not_even_held() -> None:
    refused(with_pickle(pickle.dumps({"f": os.system})), "system")
    refused(with_pickle(pickle.dumps([len], 4)), "len")


@pytest.mark.parametrize("inside", [b"]" * 10**5 + b"a" * (10**5 - 1),
                                    b")" + b"\x85" * 10**5], ids=["lists", "tuples"])  # fmt: skip
def test_containers_inside_each_other_without_end(inside: bytes) -> None:
    refused(with_pickle(b"\x80\x02" + inside + b"."), "the file", "5000 deep")
    for few in (b"]" * 900 + b"a" * 899, b")" + b"\x85" * 900):
        assert len(rg.load(with_pickle(b"\x80\x02" + few + b"."))) == 1
    many = [()] * 6000, ([],) * 4000
    assert rg.load(with_pickle(pickle.dumps(many, 2))) == many


def test_every_other_instruction_is_refused() -> None:
    for text in (b"(I1\nios\nsystem\n.", b"\x80\x02\x82\x01.", b"\x80\x02K\x012.",
                 b"\x80\x02)\x81.", b"P1\n.", b"\x80\x05\x97."):  # fmt: skip
        refused(with_pickle(text))


@pytest.mark.parametrize("data", [
    b"", b".", b"\x80\x02", b"\x80\x02]", b"\x80\x02K\x01K\x02.", b"\x80\x02t.",
    b"\x80\x02h\x05.", b"\xff\xff", b"\x80\x02X\xff\xff\xff\x7f.",
    b"\x80\x02\x8b\xff\xff\xff\x7f.", b"\x80\x02]e.", b"\x80\x02N}s.", b"\x80\x02\x85.",
    b"\x80\x02I" + b"9" * 5000 + b"\n.",
])  # fmt: skip
def test_damaged_pickles(data: bytes) -> None:
    refused(with_pickle(data), "the file")


def described(
    offset: Any = 0, size: Any = (2,), stride: Any = (1,), numel: Any = 12,
    record: Any = "0", kind: str = "FloatStorage",
) -> bytes:  # fmt: skip
    """The description of one tensor, with any numbers."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            if isinstance(obj, Memory):
                return ("storage", getattr(torch, kind), record, "cpu", numel)
            return None

    class Memory:
        pass

    out = io.BytesIO()
    rebuild = torch._utils._rebuild_tensor_v2
    arguments = (Memory(), offset, size, stride, False, OrderedDict())
    Pickler(out, 2).dump(Calls(rebuild, *arguments))
    return out.getvalue()


def test_the_description_of_a_tensor() -> None:
    assert rg.load(with_pickle(described(1, (2,), (4,)))).tolist() == [1, 5]


@pytest.mark.parametrize("wrong", [
    {"size": (13,)}, {"offset": 11}, {"size": (3, 5), "stride": (4, 1)},
    {"size": (2, 2), "stride": (11, 1)}, {"size": (10**18,)}, {"offset": -1},
    {"size": (-2,)}, {"stride": (-1,)}, {"size": (2, 2)}, {"size": (10**9, 10**9),
    "stride": (0, 0)}, {"numel": 10**15}, {"numel": 11}, {"numel": -12},
    {"numel": 1.5}, {"record": "7"}, {"record": "../data.pkl"}, {"record": 0},
    {"size": (2.0,)}, {"size": ("2",)}, {"size": (2**70,)}, {"offset": 2**70},
    {"kind": "DoubleStorage"}, {"size": (1,) * 70, "stride": (1,) * 70},
    {"size": None}, {"offset": None}, {"size": (True,)},
])  # fmt: skip
def test_tensors_beyond_their_memory(wrong: dict[str, Any]) -> None:
    refused(with_pickle(described(**wrong)), "the file")


def test_an_overlapping_view_is_only_a_view() -> None:
    """PyTorch saves expanded tensors so; nothing is multiplied in memory."""
    x = rg.load(with_pickle(described(size=(10**6, 3), stride=(0, 1))))
    assert x.shape == (10**6, 3)
    assert x._value().strides == (0, 4)


def test_compressed_archives() -> None:
    """A small file cannot grow: records are as long as the file says, uncompressed."""
    bomb = repacked(written([X]), {"data/0": bytes(10**7)}, compress=True)
    assert len(bomb.getvalue()) < 10**5
    refused(bomb, "compressed")
    refused(repacked(written([X]), {}, compress=True), "compressed")


def test_sizes_that_lie() -> None:
    data = bytearray(written([X]).getvalue())
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(b"archive/data/0"))
    struct.pack_into("<II", data, at + 20, 1 << 31, 1 << 31)
    refused(io.BytesIO(bytes(data)), "the file")


def test_files_cut_short(tmp_path: Path) -> None:
    whole = written({"a": X, "b": [1, 2]}).getvalue()
    path = tmp_path / "cut.pt"
    for n in [4, 30, 64, len(whole) // 2, len(whole) - 1, len(whole) - 30]:
        path.write_bytes(whole[:n])
        refused(path, "cut.pt")


def test_damaged_files() -> None:
    """Whatever byte is changed, the file is read as it was or refused."""
    whole = written({"a": X, "b": [1, "text"]}).getvalue()
    rng = np.random.default_rng(0)
    outcomes = Counter()
    for at in rng.integers(0, len(whole), 150):
        data = bytearray(whole)
        data[at] ^= 1 << int(rng.integers(8))
        try:
            loaded = rg.load(io.BytesIO(bytes(data)))
        except FileError:
            outcomes["refused"] += 1
            continue
        same(loaded, {"a": X, "b": [1, "text"]})
        outcomes["read"] += 1
    assert outcomes["refused"] > 30
    assert outcomes["read"] > 30


def test_what_is_missing_from_the_archive() -> None:
    refused(repacked(written([X]), {"data/0": None}), "data/0")
    refused(repacked(written([X]), {"data.pkl": None}), "not PyTorch's")
    refused(repacked(written([X]), {"byteorder": b"middle"}), "order")
    assert rg.load(repacked(written([X]), {"byteorder": None}))[0].shape == (3, 4)


@pytest.mark.parametrize("name", ["sparse", "complex", "a module", "quantized", "uint16",
                                  "a subclass", "float8", "a program"])  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_what_has_no_counterpart(name: str) -> None:
    """The message says what to save instead."""
    if name == "sparse":
        refused(written(X.to_sparse()), "to_dense")
    elif name == "complex":
        refused(written(torch.complex(X, X)), "imaginary")
    elif name == "a module":
        refused(written(torch.nn.Linear(1, 1)), "state_dict()")
    elif name == "uint16":
        refused(written(X.to(torch.uint16)), "uint16")
    elif name == "quantized":
        q = torch.quantize_per_tensor(X, 0.1, 0, torch.qint8)
        refused(written(q), "dequantize")
    elif name == "float8":
        refused(written(X.to(torch.float8_e5m2)), "float8")
    elif name == "a subclass":
        refused(written(X.as_subclass(Kind)), "Kind")
    else:
        file = io.BytesIO()
        torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), file)
        file.seek(0)
        refused(file, "state_dict()")


class Kind(torch.Tensor):  # type: ignore[misc]
    """A subclass that nobody else knows."""


def test_the_older_format_is_named() -> None:
    refused(written(X, _use_new_zipfile_serialization=False), "before 1.6")


def test_other_zip_archives(tmp_path: Path) -> None:
    path = tmp_path / "notes.zip"
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("notes/readme.txt", "hello")
    refused(path, "not PyTorch's", "notes.zip")


def test_damaged_descriptions() -> None:
    """Changed at random, a description gives some data or one kind of error."""
    with zipfile.ZipFile(written(VALUES["plain"])) as z:
        whole = z.read("archive/data.pkl")
    whole += described(0, (2, 2), (1, 1))[2:]
    rng = np.random.default_rng(1)
    outcomes = Counter()
    for _ in range(300):
        data = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            data[at] = int(rng.integers(256))
        try:
            rg.load(with_pickle(bytes(data)))
            outcomes["read"] += 1
        except FileError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 100
