"""The network in training: time-major windows, with dropout and weight drop against memorizing the text."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from hubcharlstm.network import CharLSTMNetwork, State
from training.lstm import lstm


class TrainingNetwork(nn.Module):
    """`network` with its config's `dropout` after each layer, and `weight_drop` on its recurrent weights.

    Both draw one mask per window: locked dropout (Gal & Ghahramani 2016) and DropConnect on the recurrent weights
    (Merity et al. 2018). A mask per time step would take up to a third of the step.

    dropout_samples: masks of the last layer's outputs, each of which the head sees by itself (Inoue 2019). The LSTM is
    the dear part and is computed once; the mean of their losses has a gradient with less noise.
    rows: the rows of the batch of `batch_size` that this process reads; None for all of them. Masks are drawn for the
    whole batch, so that they do not depend on how many processes share it.
    """

    def __init__(
        self,
        network: CharLSTMNetwork,
        weight_drop: float = 0.0,
        dropout_samples: int = 1,
        *,
        batch_size: int = 0,
        rows: slice | None = None,
    ) -> None:
        super().__init__()
        self.network, self.weight_drop, self.dropout_samples = network, weight_drop, dropout_samples
        self.batch_size, self.rows = batch_size, rows

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids (T, B) int64, time first -> logits (S, T, B, V) float32, state after the last id.

        S: the dropout samples; 1 in evaluation and without dropout.
        """
        config, after = self.network.config, []
        x = self.network.embedding(ids)  # (T, B, E)
        for number, (h, c) in enumerate(zip(*state, strict=True)):
            w_ih, w_hh, b_ih, b_hh = self.weights(number)
            if self.training and self.weight_drop:
                w_hh = w_hh * weight_mask(w_hh.shape, self.weight_drop, w_hh.device)
            x, h, c = lstm(x, h, c, (w_ih, w_hh, b_ih + b_hh))
            after.append((h, c))
            is_last = number == config.num_layers - 1
            if self.training and config.dropout:
                x = x * self.dropout_masks(x, self.dropout_samples if is_last else 1)
        head = self.network.head
        logits = linear(x, head.weight.to(x.dtype)).float() + head.bias
        hs, cs = zip(*after, strict=True)
        return logits.view(-1, *ids.shape, config.vocab_size), (torch.stack(hs), torch.stack(cs))

    def dropout_masks(self, x: Tensor, samples: int) -> Tensor:
        """Of the outputs x (T, B, H) of a layer: inverted-dropout masks (S, 1, B, H), of one sample (1, B, H)."""
        rate, batch_size = self.network.config.dropout, self.batch_size if self.rows else x.shape[1]
        uniforms = torch.rand((samples, batch_size, x.shape[2]), device=x.device)
        mask = (uniforms[:, self.rows] if self.rows else uniforms) >= rate
        mask = mask if samples == 1 else mask[:, None]
        return (mask * (1 / (1 - rate))).to(x.dtype)

    def weights(self, layer: int) -> tuple[Tensor, ...]:
        """W_ih (4H, I), W_hh (4H, H) and their biases (4H,)."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return tuple(self.network.lstm.get_parameter(f"{name}_l{layer}") for name in names)


def weight_mask(shape: torch.Size, rate: float, device: torch.device) -> Tensor:
    """Inverted-dropout mask: 0 with probability `rate` (to the nearest 256th), else the factor that makes the mean 1.

    Each weight takes one random byte, eight of which are drawn at once: random floats would take a tenth of the step.
    """
    count, dropped = shape.numel(), round(256 * rate)
    words = torch.empty(-(-count // 8), dtype=torch.int64, device=device).random_(-(2**63), 2**63 - 1)
    return (words.view(torch.uint8)[:count] >= dropped).view(shape) * (256 / (256 - dropped))
