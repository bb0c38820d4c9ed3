"""The held-out loss in chunks scores what one reading from end to end scores."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from hubcharlstm.inspection.scoring import WARMUP
from hubcharlstm.network import CharLSTMConfig, CharLSTMNetwork
from training.evaluation.losses import carried_loss

VOCAB = 7


def network(*, forgets: bool = False) -> CharLSTMNetwork:
    """A random tiny network; one that `forgets` has no memory: its logits depend on the last character alone."""
    torch.manual_seed(3)
    net = CharLSTMNetwork(CharLSTMConfig(VOCAB, embedding_dim=6, hidden_size=12, num_layers=2, dropout=0.5))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(3)
        if forgets:
            for layer in range(2):
                net.lstm.get_parameter(f"weight_hh_l{layer}").zero_()
                net.lstm.get_parameter(f"bias_ih_l{layer}")[12:24] = -1e4  # the forget gate stays shut
                net.lstm.get_parameter(f"weight_ih_l{layer}")[12:24] = 0
    return net.eval()


def random_ids(count: int) -> Tensor:
    return torch.randint(VOCAB, (count,), generator=torch.Generator().manual_seed(count))


@torch.no_grad()
def sequential_losses(net: CharLSTMNetwork, ids: Tensor) -> Tensor:
    """The slow twin: one reading from a zero state, in float64; the loss of ids[1:] each."""
    double = CharLSTMNetwork(net.config).double().eval()
    double.load_state_dict(net.state_dict())
    logits, _ = double(ids[None, :-1])
    return cross_entropy(logits[0], ids[1:], reduction="none")


@pytest.mark.parametrize("count", [2, 3, 20, 257, 1000, 4096])
@pytest.mark.parametrize("window", [256, 100])
def test_a_short_text_is_read_from_end_to_end(count: int, window: int) -> None:
    net, ids = network(), random_ids(count)
    expected = float(sequential_losses(net, ids).mean())
    assert carried_loss(net, ids, window=window) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("count", [4097, 5000, 20_011])
@pytest.mark.parametrize(("num_chunks", "window"), [(32, 256), (3, 100), (5, 5000)])
def test_in_chunks_every_target_counts_once(count: int, num_chunks: int, window: int) -> None:
    """A network without memory has the same loss however the text is cut, if each target is scored once."""
    net, ids = network(forgets=True), random_ids(count)
    expected = float(sequential_losses(net, ids).mean())
    assert carried_loss(net, ids, num_chunks=num_chunks, window=window) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("window", [256, 100, 999])
def test_chunks_that_warm_up_score_as_one_reading(window: int) -> None:
    net, ids = network(), random_ids(8 * 4 * WARMUP + 5)
    expected = float(sequential_losses(net, ids).mean())
    assert carried_loss(net, ids, window=window) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("window", [64, 100, 256, 700])
def test_the_first_chunk_starts_from_zero_and_the_next_from_what_is_before_it(window: int) -> None:
    """The first chunk's warm-up is padding, which must not reach its state: one that never fades would show it."""
    net, ids = network(), random_ids(2 * 4 * WARMUP + 2)
    with torch.no_grad():
        for layer in range(2):
            net.lstm.get_parameter(f"bias_ih_l{layer}")[12:24] = 50.0  # the forget gate stays open
    length = -(-(len(ids) - 1) // 2)
    first = sequential_losses(net, ids[: length + 1])
    second = sequential_losses(net, ids[length - WARMUP :])[WARMUP:]
    expected = float(torch.cat([first, second]).mean())
    assert carried_loss(net, ids, num_chunks=2, window=window) == pytest.approx(expected, rel=1e-5)


def test_it_leaves_mode_and_random_state_alone() -> None:
    net = network().train()
    before = torch.get_rng_state()
    assert carried_loss(net, random_ids(300)) == carried_loss(net, random_ids(300))  # dropout is off
    assert net.training
    assert torch.equal(before, torch.get_rng_state())
