"""What autograd does while a network trains (the notes on autograd), step by step.

A parameter's gradient is None until `backward()`; `backward()` fills it and moves no
weight; `optimizer.step()` moves the weights; without `zero_grad()` gradients add up.
"""

import retrograd as torch

BATCH, DIM_IN, HIDDEN, DIM_OUT = 16, 784, 256, 10
model = torch.nn.Sequential(
    torch.nn.Linear(DIM_IN, HIDDEN),
    torch.nn.ReLU(),
    torch.nn.Linear(HIDDEN, DIM_OUT),
)
features = torch.randn(BATCH, DIM_IN, requires_grad=False)
targets = torch.randn(BATCH, DIM_OUT, requires_grad=False)
optimizer = torch.optim.SGD(model.parameters(), lr=0.001)


def squared_distance():
    return (targets - model(features)).pow(2).sum()


def show(moment):
    weight = model[2].weight
    grad = "None" if weight.grad is None else f"{weight.grad[0][0].item():+.5f}"
    print(f"{moment:24s} w[0][0] {weight[0][0].item():+.6f}   gradient {grad}")


show("at the start")
loss = squared_distance()
print(f"loss {loss.item():.4f}")
show("after the forward pass")
loss.backward()
show("after backward()")
first_gradient = model[2].weight.grad.clone()
optimizer.step()
show("after step()")

# Five more backward passes without zero_grad(): the gradients add up.
for _ in range(5):
    squared_distance().backward()
show("five backwards later")
accumulated = model[2].weight.grad.clone()
optimizer.zero_grad(set_to_none=False)
show("after zero_grad()")

# Along a chain of layers the gradient of the input is J₁ᵀ J₂ᵀ J₃ᵀ v: each Jacobian
# matrix here is written out, and their product is what backward() finds.
z = torch.tensor([0.5, -1.0, 2.0], requires_grad=True)
W1, W3 = torch.randn(4, 3), torch.randn(2, 4)
v = torch.tensor([1.0, -2.0])
s = torch.tanh(W1 @ z)
(W3 @ s).backward(v)
J1, J2, J3 = W1, torch.diag(1 - s.detach() ** 2), W3
by_hand = J1.T @ J2.T @ J3.T @ v
print("J₁ᵀJ₂ᵀJ₃ᵀv agrees:", torch.allclose(z.grad, by_hand))
