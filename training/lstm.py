"""One LSTM layer over a window, forward and backward, with bfloat16 products where the CPU has them.

The recurrence is that of `nn.LSTM`. On CPUs with bfloat16 instructions the products run in bfloat16 through oneDNN; the
recurrent weights are packed once per window; sums, gates and cells stay float32. Elsewhere the layer is PyTorch's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from hubcharlstm.torch_compat import PackedLinear, has_fast_bf16

BACKWARD_BLOCK = 4
"""Time steps whose gate slopes the backward pass computes at once: enough for the cores, few enough for the cache."""
Layer = tuple[Tensor, Tensor, Tensor]
"""W_ih (4H, I), W_hh (4H, H) and the sum of both biases (4H,), gates in PyTorch's order: i, f, g, o."""


def lstm(x: Tensor, h: Tensor, c: Tensor, layer: Layer) -> tuple[Tensor, Tensor, Tensor]:
    """x (T, B, I), h and c (B, H) float32 -> outputs (T, B, H), and h and c after the last step, float32.

    The outputs are bfloat16 where the products are: with gradients on a CPU that has bfloat16. Otherwise float32.
    """
    if x.device.type == "cpu" and torch.is_grad_enabled() and has_fast_bf16():
        outputs, h, c = PackedLSTM.apply(x, h, c, *layer, torch.bfloat16)  # type: ignore[no-untyped-call]  # Function.apply has no annotations
        return outputs, h, c
    w_ih, w_hh, bias = layer
    weights = [w_ih, w_hh, bias, torch.zeros_like(bias)]
    outputs, h, c = torch.lstm(x, (h[None], c[None]), weights, True, 1, 0.0, True, False, False)
    return outputs, h[0].float(), c[0].float()


class PackedLSTM(torch.autograd.Function):
    """The layer with its products in `dtype`; gradients by hand (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    tanh(z) is computed as 2 sigmoid(2z) - 1, so that one call serves all four gates: the weights of gate g are doubled.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:
        (steps, rows, _), size = x.shape, w_hh.shape[1]
        double = torch.tensor([1.0, 1.0, 2.0, 1.0]).repeat_interleave(size)[:, None]
        inputs = x.to(dtype).flatten(0, 1)  # (T B, I)
        from_input = linear(inputs, (w_ih * double).to(dtype), (bias * double[:, 0]).to(dtype))
        recurrent = PackedLinear((w_hh * double).to(dtype), rows)
        gates, cells = x.new_empty(steps, rows, 4 * size, dtype=c.dtype), c.new_empty(steps + 1, rows, size)
        outputs, tanh_cells = inputs.new_empty(steps + 1, rows, size), torch.empty_like(cells[1:])
        outputs[0], cells[0] = h, c
        parts = [gate.unbind() for gate in gates.view(steps, rows, 4, size).unbind(2)]
        product = torch.empty_like(c)
        for before, pre, all_gates, i, f, g, o, cell, new, tanh, output in zip(
            outputs[:-1].unbind(), from_input.view(steps, rows, 4 * size).unbind(), gates.unbind(), *parts,
            cells[:-1].unbind(), cells[1:].unbind(), tanh_cells.unbind(), outputs[1:].unbind(), strict=True,
        ):  # fmt: skip
            all_gates.copy_(recurrent(before, pre)).sigmoid_()
            torch.mul(f, cell, out=new).sub_(i).addcmul_(i, g, value=2)  # f c + i (2 g - 1)
            torch.add(new, new, out=tanh).sigmoid_().mul_(2).sub_(1)
            output.copy_(torch.mul(o, tanh, out=product))
        ctx.save_for_backward(inputs, w_ih, w_hh, outputs, gates, cells, tanh_cells)
        return outputs[1:], outputs[-1].float(), cells[-1].clone()

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor, d_h: Tensor, d_c: Tensor) -> tuple[Tensor | None, ...]:
        inputs, w_ih, w_hh, outputs, gates, cells, tanh_cells = ctx.saved_tensors
        dtype, (steps, rows, size) = outputs.dtype, tanh_cells.shape
        recurrent = PackedLinear(w_hh.t().to(dtype), rows)
        d_gates = outputs.new_empty(steps, rows, 4 * size)  # before the sigmoids
        dh, carried, dc = d_h.clone(), d_c.clone(), torch.empty_like(d_c)
        for end in range(steps, 0, -BACKWARD_BLOCK):
            part = slice(max(0, end - BACKWARD_BLOCK), end)
            s, tanh = gates[part].view(-1, rows, 4, size), tanh_cells[part]
            i, f, g, o = s.unbind(2)
            slopes = torch.addcmul(s, s, s, value=-1)  # s (1 - s), a sigmoid's
            slopes[:, :, 0].mul_((g * 2).sub_(1))
            slopes[:, :, 1].mul_(cells[part])
            slopes[:, :, 2].mul_(i).mul_(4)  # the slope of 2 sigmoid(2z) - 1
            slopes[:, :, 3].mul_(tanh)
            through_tanh = torch.addcmul(o, o * tanh, tanh, value=-1)  # o (1 - tanh^2)
            arriving = d_outputs[part].float()
            for k in reversed(range(len(s))):
                into = d_gates[part][k]
                dh.add_(arriving[k])
                torch.addcmul(carried, dh, through_tanh[k], out=dc)
                slopes[k, :, :3].mul_(dc[:, None])
                slopes[k, :, 3].mul_(dh)
                into.view(rows, 4, size).copy_(slopes[k])
                torch.mul(dc, f[k], out=carried)
                dh.copy_(recurrent(into))
        flat = d_gates.flatten(0, 1)  # (T B, 4H)
        d_x = (flat @ w_ih.to(dtype)).view(steps, rows, -1).to(torch.float32) if ctx.needs_input_grad[0] else None
        d_bias = flat.new_ones(1, len(flat)) @ flat
        return (
            d_x, dh, carried, (flat.t() @ inputs).float(), (flat.t() @ outputs[:-1].flatten(0, 1)).float(),
            d_bias[0].float(), None,
        )  # fmt: skip
