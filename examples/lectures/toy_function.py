"""The slides' toy function and its eight derivatives.

f = β₃ + ω₃ cos[β₂ + ω₂ exp[β₁ + ω₁ sin[β₀ + ω₀ x]]],   ℓ = (f − y)²

The forward pass is a list of small steps; the backward pass runs through it in reverse,
each derivative from the one before it, and meets no expression twice.
"""

import math

import retrograd as torch

x, y = 2.3, 2.0
beta = torch.tensor([1.0, 2.0, -3.0, 0.4], dtype=torch.float64, requires_grad=True)
omega = torch.tensor([0.1, -0.4, 2.0, 3.0], dtype=torch.float64, requires_grad=True)

f0 = beta[0] + omega[0] * x
h1 = torch.sin(f0)
f1 = beta[1] + omega[1] * h1
h2 = torch.exp(f1)
f2 = beta[2] + omega[2] * h2
h3 = torch.cos(f2)
f3 = beta[3] + omega[3] * h3
loss = (f3 - y) ** 2
loss.backward()

# The same by hand, from the last step to the first.
w0, w1, w2, w3 = omega.tolist()
d_f3 = 2 * (f3.item() - y)
d_h3 = w3 * d_f3
d_f2 = -math.sin(f2.item()) * d_h3
d_h2 = w2 * d_f2
d_f1 = math.exp(f1.item()) * d_h2
d_h1 = w1 * d_f1
d_f0 = math.cos(f0.item()) * d_h1
by_hand = {
    "β": [d_f0, d_f1, d_f2, d_f3],
    "ω": [x * d_f0, h1.item() * d_f1, h2.item() * d_f2, h3.item() * d_f3],
}

print(f"ℓ = {loss.item():.6f}")
for name, gradient in (("β", beta.grad), ("ω", omega.grad)):
    for k, (found, expected) in enumerate(
        zip(gradient.tolist(), by_hand[name], strict=True)
    ):
        print(f"∂ℓ/∂{name}{k}   backward {found:+.12f}   by hand {expected:+.12f}")
        assert math.isclose(found, expected, rel_tol=1e-12)
