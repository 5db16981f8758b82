"""The lectures' network with K = 3 hidden layers, ReLU and the squared error."""

import retrograd as rg

WEIGHTS = [
    [[0.5, -1.0], [1.0, 0.5], [-0.5, 0.2]],
    [[1.0, -0.5, 0.3], [-0.4, 0.8, 0.6], [-0.7, -0.2, 1.0]],
    [[0.6, 0.4, -1.0], [-0.3, 0.9, 0.5], [0.2, -0.8, 0.1]],
    [[1.0, -0.6, 0.5], [-0.5, 0.7, 0.9]],
]
BIASES = [[0.1, -0.2, 0.3], [0.2, 0.1, -0.1], [-0.1, 0.3, 0.2], [0.1, -0.3]]


def mlp(K: int = 3) -> rg.Tensor:
    Omega = [rg.tensor(rows, requires_grad=True) for rows in WEIGHTS]
    beta = [rg.tensor(b).unsqueeze(1).requires_grad_() for b in BIASES]
    x, y = rg.tensor([[1.0], [-0.5]]), rg.tensor([[1.0], [0.0]])

    h = x
    for k in range(K):
        f = beta[k] + Omega[k] @ h
        h = rg.relu(f)
    f = beta[K] + Omega[K] @ h
    loss = ((f - y) ** 2).sum()
    return loss
