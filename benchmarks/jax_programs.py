"""The perceptrons in JAX: one jitted function for a whole step."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from programs import Program, Work


def build(program: Program) -> Work:
    import jax
    import jax.numpy as jnp

    sizes, batch = program.layers, program.batch
    numbers = np.random.default_rng(0)
    weights: list[Any] = []
    for n, m in itertools.pairwise(sizes):
        bound = 1 / np.sqrt(n)
        weights.append((jnp.asarray(numbers.uniform(-bound, bound, (m, n)), jnp.float32),
                        jnp.zeros(m, jnp.float32)))  # fmt: skip

    def loss_of(weights: Any, x: Any, y: Any) -> Any:
        for i, (w, b) in enumerate(weights):
            x = x @ w.T + b
            if i < len(weights) - 1:
                x = jax.nn.relu(x)
        if program.loss == "MSE":
            return ((x - y) ** 2).mean()
        return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1).mean()

    def zeros() -> Any:
        return jax.tree.map(jnp.zeros_like, weights)

    def sgd(state: Any, x: Any, y: Any) -> Any:
        weights, speed = state
        loss, g = jax.value_and_grad(loss_of)(weights, x, y)
        speed = jax.tree.map(lambda v, g: 0.9 * v + g, speed, g)
        weights = jax.tree.map(lambda w, v: w - 1e-3 * v, weights, speed)
        return (weights, speed), loss

    def adam(state: Any, x: Any, y: Any) -> Any:
        weights, m, v, t = state
        loss, g = jax.value_and_grad(loss_of)(weights, x, y)
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        rate = 1e-4 / (1 - 0.9**t)
        root = jnp.sqrt(1 - 0.999**t)
        weights = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) / root + 1e-8), weights, m, v
        )
        return (weights, m, v, t), loss

    if program.optimizer == "Adam":
        run, state = jax.jit(adam, donate_argnums=0), (weights, zeros(), zeros(), 0.0)
    else:
        run, state = jax.jit(sgd, donate_argnums=0), (weights, zeros())
    held = [state]

    def step(x: Any, y: Any) -> Any:
        held[0], loss = run(held[0], x, y)
        return loss

    numbers = np.random.default_rng(1)
    batches: list[Any] = []
    for _ in range(4):
        x = jnp.asarray(numbers.standard_normal((batch, sizes[0])), jnp.float32)
        y = jnp.asarray(numbers.integers(0, sizes[-1], batch))
        if program.loss == "MSE":
            y = jnp.asarray(numbers.standard_normal((batch, sizes[-1])), jnp.float32)
        batches.append((x, y))
    return Work(step, batches, None)
