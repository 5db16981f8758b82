"""A small residual network with batch normalisation tells patterns in images apart."""

import random

import retrograd as torch
from retrograd import nn, optim
from retrograd.utils.data import DataLoader, TensorDataset


def images(n, size=8, seed=0):
    """Noise with horizontal, vertical or diagonal stripes."""
    chance = random.Random(seed)
    pictures, labels = [], []
    for k in range(n):
        kind, shift = k % 3, chance.randint(0, 3)
        picture = [
            [
                (((y, x, x + y)[kind] + shift) // 2 % 2) + chance.gauss(0, 0.4)
                for x in range(size)
            ]
            for y in range(size)
        ]
        pictures.append([picture])
        labels.append(kind)
    return torch.tensor(pictures), torch.tensor(labels)


def conv3x3(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = conv3x3(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, widths=(4, 8), blocks=1, classes=3):
        super().__init__()
        self.stem = nn.Sequential(
            conv3x3(1, widths[0]), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
        )
        layers, inputs = [], widths[0]
        for i, width in enumerate(widths):
            for k in range(blocks):
                layers.append(BasicBlock(inputs, width, 2 if i and not k else 1))
                inputs = width
        self.layers = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(inputs, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def forward(self, x):
        x = self.pool(self.layers(self.stem(x)))
        return self.fc(torch.flatten(x, 1))


def build():
    return ResNet()


def train(model, steps=30):
    loader = DataLoader(TensorDataset(*images(36)), batch_size=12)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4, nesterov=True
    )
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    losses = []
    model.train()
    while len(losses) < steps:
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
    return losses


@torch.no_grad()
def result(model):
    """The share of other images told rightly, and all scores."""
    model.eval()
    inputs, labels = images(30, seed=1)
    scores = model(inputs)
    return (scores.argmax(1) == labels).double().mean().item(), scores.tolist()


if __name__ == "__main__":
    model = build()
    losses = train(model)
    print(f"loss {losses[0]:.3f} → {losses[-1]:.3f}, right: {result(model)[0]:.0%}")
