"""What ``foreach``, ``fused``, ``capturable`` and ``differentiable`` mean here.

In PyTorch they choose between implementations of a step. There is one here: the first
two change nothing, the third needs a device that captures graphs, and a differentiable
step records the update with gradients on, so that a later backward goes through it.
"""

from __future__ import annotations

from typing import Any


def check_at_start(defaults: dict[str, Any]) -> None:
    """The combinations that a constructor refuses."""
    wanted = defaults.get("differentiable", False)
    if not isinstance(wanted, bool):
        raise TypeError(f"differentiable must be bool, not {type(wanted).__name__}")
    if defaults.get("fused"):
        if defaults.get("differentiable"):
            raise RuntimeError("`fused` does not support `differentiable`")
        if defaults.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def check_at_step(optimizer: Any) -> None:
    """The combinations that a step refuses."""
    for group in optimizer.param_groups:
        if group.get("capturable"):
            raise AssertionError(
                "If capturable=True, params and state_steps must be on a device that "
                "captures graphs, but they are on the CPU. Leave capturable at False"
            )
        if group.get("foreach") and group.get("differentiable"):
            if type(optimizer).__name__ != "SGD":  # which PyTorch leaves out, too
                raise AssertionError(
                    "_foreach ops don't support autograd: differentiable=True needs "
                    "foreach=None or False"
                )


def differentiable_step(optimizer: Any) -> None:
    """θ takes the value of the rule in place, with its history: θ′ is a function of θ,
    of its gradient, of the state and of a learning rate that is a tensor."""
    for group in optimizer.param_groups:
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            if param.is_leaf and param.requires_grad:
                raise RuntimeError(
                    "a leaf Variable that requires grad is being used in an in-place "
                    "operation. A differentiable step replaces its parameters: give "
                    "the optimizer clones, p.clone(), and set their .grad"
                )
            state = optimizer.state[param]
            if not state:
                if optimizer.counts_steps:
                    state["step"] = 0
                state.update(optimizer.init_state(param, group))
            count = state.get("step", 0) + 1
            scalars = optimizer.scalars(group, int(count))
            before = param.clone()  # what rules keep of θ is not overwritten below
            new, changed = optimizer.update(before, grad, state, scalars, group)
            param.copy_(new)
            state.update(changed)
            if optimizer.counts_steps:
                state["step"] = count
