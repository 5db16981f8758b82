"""A network that learns the digits: python digits.py, or retrograd watch digits.py."""

import retrograd as rg
from retrograd import nn
from retrograd.datasets import digits

rg.manual_seed(0)
images, labels = digits()
x = images.reshape(len(labels), -1).float()
x = (x - x.mean()) / x.std()
model = nn.Sequential(
    nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)
)
optimizer = rg.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
schedule = rg.optim.lr_scheduler.CosineAnnealingLR(optimizer, 200)
for _ in range(200):
    order = rg.randperm(len(labels))
    for i in range(0, len(labels), 64):
        rows = order[i : i + 64]
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), labels[rows])
        loss.backward()
        optimizer.step()
    schedule.step()
print(f"loss {loss.item():.4f}")
