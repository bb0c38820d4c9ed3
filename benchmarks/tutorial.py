"""The tutorial's recipe, reimplemented in PyTorch: network, training step, loss and greedy sample."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

UNITS, WINDOW, BATCH, DROPOUT, RATE = 300, 50, 30, 0.2, 1e-3


class TutorialNetwork(nn.Module):
    """Maps a window of characters, one number each, to the distribution of the next character."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, UNITS, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(UNITS, vocab_size)
        self.vocab_size = vocab_size

    def forward(self, windows: Tensor) -> Tensor:
        """ids (B, WINDOW) -> logits (B, V)."""
        hidden, _ = self.lstm((windows / self.vocab_size)[..., None])
        logits: Tensor = self.head(self.dropout(hidden[:, -1]))
        return logits


def tutorial_step(network: TutorialNetwork, ids: Tensor, vocab_size: int) -> Callable[[], None]:
    """A training step of the tutorial: 30 windows, 30 targets."""
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)

    def step() -> None:
        starts = torch.randint(len(ids) - WINDOW, (BATCH, 1))
        windows = ids[starts + torch.arange(WINDOW + 1)]
        loss = cross_entropy(network(windows[:, :-1].float()), windows[:, -1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


@torch.no_grad()
def tutorial_loss(network: TutorialNetwork, ids: Tensor) -> float:
    """Nats per character over all windows of the held-out text."""
    network.eval()
    windows = ids.unfold(0, WINDOW + 1, 1)
    losses = [
        cross_entropy(network(part[:, :-1].float()), part[:, -1], reduction="sum") for part in windows.split(1000)
    ]
    network.train()
    return float(sum(losses)) / len(windows)


@torch.no_grad()
def tutorial_sample(network: TutorialNetwork, prompt: Tensor, length: int) -> list[int]:
    """Greedy; the network reads the whole window again for every character."""
    network.eval()
    ids = prompt.tolist()
    for _ in range(length):
        ids.append(int(network(torch.tensor([ids[-WINDOW:]]).float()).argmax()))
    network.train()
    return ids[len(prompt) :]
