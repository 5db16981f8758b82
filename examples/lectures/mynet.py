"""A network as a class (NYU, chapter 2.1): what is declared is a Module's parameters,
what is written is the forward pass; the backward pass follows from it.

A functional module k has two Jacobians: with respect to its state z_k and with respect
to its weights w_k. `backward()` multiplies both by the gradient that comes from above.
"""

import retrograd as torch
from retrograd import nn

image = torch.randn(3, 10, 20)
d0 = image.nelement()


class MyNet(nn.Module):
    def __init__(self, d0, d1, d2, d3):
        super().__init__()
        self.m0 = nn.Linear(d0, d1)
        self.m1 = nn.Linear(d1, d2)
        self.m2 = nn.Linear(d2, d3)

    def forward(self, x):
        z0 = x.view(-1)
        z1 = torch.relu(self.m0(z0))
        z2 = torch.relu(self.m1(z1))
        return self.m2(z2)


model = MyNet(d0, 60, 40, 10)
out = model(image)
print(model)
print("output:", tuple(out.shape))

# A target to be near to: C = ‖y − ȳ‖², and both Jacobians of every module at work.
image.requires_grad_()
y = torch.zeros(10)
cost = (y - model(image)).pow(2).sum()
cost.backward()
for name, parameter in model.named_parameters():
    print(f"∂C/∂{name:10s} {tuple(parameter.grad.shape)}")
print(f"∂C/∂image      {tuple(image.grad.shape)}")
