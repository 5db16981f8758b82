"""The training script at the end of the slides: 10 → 40 → 40 → 5, least squares.

He initialisation with zero bias, SGD with momentum 0.9, the learning rate halved every
ten epochs, one hundred random points in shuffled batches of ten, one hundred epochs.
Random targets cannot be predicted: the loss falls as far as the network can memorise.
"""

import retrograd as torch
from retrograd import nn
from retrograd.optim.lr_scheduler import StepLR
from retrograd.utils.data import DataLoader, TensorDataset

inputs, hidden, outputs = 10, 40, 5
model = nn.Sequential(
    nn.Linear(inputs, hidden),
    nn.ReLU(),
    nn.Linear(hidden, hidden),
    nn.ReLU(),
    nn.Linear(hidden, outputs),
)


def he_initialisation(module):
    if isinstance(module, nn.Linear):
        nn.init.kaiming_uniform_(module.weight)
        module.bias.data.fill_(0.0)


model.apply(he_initialisation)

least_squares = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
scheduler = StepLR(optimizer, step_size=10, gamma=0.5)

points = TensorDataset(torch.randn(100, inputs), torch.randn(100, outputs))
batches = DataLoader(points, batch_size=10, shuffle=True)

history = []
for epoch in range(100):
    total = 0.0
    for x, y in batches:
        optimizer.zero_grad()
        loss = least_squares(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    scheduler.step()
    history.append(total)
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1:3d}   loss {total:7.3f}")
