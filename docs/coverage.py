"""Writes docs/coverage.md: which of PyTorch's public names are here.

Needs PyTorch, whose namespaces are read, and its version is named on the page:

    python docs/coverage.py           write the page
    python docs/coverage.py --check   say whether it is up to date
"""

from __future__ import annotations

import importlib
import inspect
import sys
import types
from pathlib import Path
from typing import Any, NamedTuple

import retrograd
from retrograd import left_out

PAGE = Path(__file__).with_name("coverage.md")

#: namespace → the share of names that may be missing, where a promise was made
NAMESPACES: dict[str, float | None] = {
    "torch": 0.10,
    "Tensor": 0.10,
    "nn": 0.03,
    "nn.functional": 0.03,
    "nn.init": None,
    "nn.utils": None,
    "optim": 0.03,
    "optim.lr_scheduler": 0.03,
    "optim.swa_utils": None,
    "func": 0.03,
    "linalg": None,
    "special": None,
    "autograd": None,
    "autograd.functional": None,
    "utils.data": None,
}


#: the parts of PyTorch that have a page in its documentation
MODULES = """accelerator amp autograd backends cpu cuda distributed distributions
export fft func futures fx hub jit library linalg masked monitor mps mtia multiprocessing
nested nn onnx optim overrides package profiler quantization random signal sparse special
testing utils version xpu""".split()


def module_of(name: str) -> left_out.Reason | None:
    """Why a part of PyTorch is left out; None where it is there."""
    if hasattr(retrograd, name):
        return None
    reason = left_out.reason_for("torch", name)
    assert reason is not None, f"no reason is given for torch.{name}"
    return reason


class Names(NamedTuple):
    """The public names of one namespace, by what became of them."""

    there: list[str]
    missing: dict[str, left_out.Reason | None]
    outside: dict[str, left_out.Reason]

    @property
    def share(self) -> float:
        """Of the names that concern dense real tensors, the share that is there."""
        return len(self.there) / (len(self.there) + len(self.missing))


def find(root: Any, path: str) -> Any:
    """The namespace of that name."""
    if path == "torch":
        return root
    if path == "Tensor":
        return root.Tensor
    try:
        return importlib.import_module(f"{root.__name__}.{path}")
    except ModuleNotFoundError:
        return None


def public(namespace: Any, path: str) -> list[str]:
    """The names that PyTorch's users reach for there: what a module imports for its own
    use is not counted, nor are modules."""
    names = {n for n in dir(namespace) if not n.startswith("_")}
    names |= {n for n in getattr(namespace, "__all__", ()) if not n.startswith("_")}
    found = []
    for name in sorted(names):
        value = getattr(namespace, name, None)
        if isinstance(value, types.ModuleType):
            continue
        home = str(getattr(value, "__module__", None) or "torch")
        if path not in ("Tensor", "torch"):
            if not home.startswith("torch") or home == "torch.types":
                continue
            own = f"torch.{path}"
            listed = name in getattr(namespace, "__all__", ())
            near = home.startswith((own, "torch._C"))
            if inspect.isclass(value) and not (listed or near):
                continue  # imported for annotations
            if isinstance(value, (bool, float, str, type(Any))):
                continue
        elif home.startswith(("typing", "collections", "builtins")) and path == "torch":
            if not callable(value) or inspect.isclass(value):
                continue
        if name in ("TYPE_CHECKING", "annotations"):
            continue
        found.append(name)
    return found


def compared(path: str) -> Names:
    """The names of one of PyTorch's namespaces, sorted into Names."""
    import torch

    theirs, ours = find(torch, path), find(retrograd, path)
    there, missing, outside = [], {}, {}
    for name in public(theirs, path):
        reason = left_out.reason_for(path, name)
        if hasattr(ours, name):
            there.append(name)
        elif reason is None or reason.missing:
            missing[name] = reason
        else:
            outside[name] = reason
    return Names(there, missing, outside)


def _listed(names: Any) -> str:
    return ", ".join(f"`{n}`" for n in names)


def _head(version: str) -> str:
    release = ".".join(version.split(".")[:2])
    return f"""# What of PyTorch is here

Made from the code by `python docs/coverage.py`: the public names of PyTorch {release},
compared with those of this library. Counted are names that concern dense tensors of real
numbers on one machine's CPU; the others are listed at the end with the reason. Asking
for a name that is left out raises a `NotImplementedError` that says what to use instead.

That a name is there says nothing about how exactly it behaves; the comparisons in
`tests/peers/` do, value by value and gradient by gradient.

| namespace | there | missing | share | outside the scope |
| --- | ---: | ---: | ---: | ---: |
"""


def page() -> str:
    """The whole page."""
    import torch

    rows, lists, outside = [], [], {}  # type: ignore[var-annotated]
    for path in NAMESPACES:
        names = compared(path)
        shown = "torch" if path == "torch" else f"torch.{path}"
        rows.append(
            f"| `{shown}` | {len(names.there)} | {len(names.missing)} | "
            f"{100 * names.share:.1f} % | {len(names.outside)} |"
        )
        by_reason: dict[Any, list[str]] = {}
        for name, reason in names.missing.items():
            by_reason.setdefault(reason, []).append(name)
        for reason, found in by_reason.items():
            title = "not yet" if reason is None else reason.title
            advice = "" if reason is None else f" Instead: {reason.advice}."
            lists.append(f"- `{shown}`, {title}: {_listed(found)}.{advice}")
        for name, reason in names.outside.items():
            outside.setdefault(reason, {}).setdefault(shown, []).append(name)
    text = _head(torch.__version__) + "\n".join(rows) + "\n\n## Missing\n\n"
    text += "\n".join(lists) + "\n" if lists else "Nothing.\n"
    text += "\n## Parts of PyTorch\n\n"
    reasons = {name: module_of(name) for name in MODULES}
    there = [f"torch.{name}" for name, reason in reasons.items() if reason is None]
    text += f"There are {_listed(there)}. Not there:\n\n"
    for reason in left_out.TABLE:
        parts = [f"torch.{name}" for name in MODULES if reasons[name] is reason]
        if parts:
            text += f"- {_listed(parts)}: {reason.advice}.\n"
    text += "\n## Outside the scope\n"
    for reason in left_out.TABLE:
        if reason in outside:
            text += f"\n### {reason.title[0].upper()}{reason.title[1:]}\n\n"
            text += f"What to do: {reason.advice}.\n\n"
            for shown, found in outside[reason].items():
                text += f"- `{shown}`: {_listed(found)}\n"
    return text


def main(arguments: list[str]) -> int:
    """Write or check the page; 1 where it is not up to date."""
    text = page()
    if "--check" in arguments:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
