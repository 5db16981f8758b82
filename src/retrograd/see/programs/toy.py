"""The toy function of the lectures: scalars, composed."""

import retrograd as rg


def toy() -> rg.Tensor:
    beta0, omega0 = rg.tensor(1.0), rg.tensor(0.1)
    beta1, omega1 = rg.tensor(2.0), rg.tensor(-0.4)
    beta2, omega2 = rg.tensor(-3.0), rg.tensor(2.0)
    beta3, omega3 = rg.tensor(0.4), rg.tensor(3.0)
    parameters = (beta0, omega0, beta1, omega1, beta2, omega2, beta3, omega3)
    for parameter in parameters:
        parameter.requires_grad_()
    x, y = rg.tensor(2.3), rg.tensor(2.0)

    f0 = beta0 + omega0 * x
    h1 = rg.sin(f0)
    f1 = beta1 + omega1 * h1
    h2 = rg.exp(f1)
    f2 = beta2 + omega2 * h2
    h3 = rg.cos(f2)
    f3 = beta3 + omega3 * h3
    loss = (f3 - y) ** 2
    return loss
