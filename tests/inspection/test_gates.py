"""Gate statistics are counts over a trace."""

from __future__ import annotations

import numpy as np
import pytest

from hubcharlstm import CharLSTM
from hubcharlstm.inspection import gate_statistics
from hubcharlstm.inspection.chunks import CHUNK, WARMUP, evaluated_positions, evaluated_steps, num_characters
from hubcharlstm.inspection.gates import GATES
from hubcharlstm.network import CharLSTMConfig
from tests.conftest import TEXT


def test_they_are_the_shares_and_the_half_life_of_a_trace(model: CharLSTM) -> None:
    text = TEXT[:80]
    done = gate_statistics(model, model.vocabulary, text)
    trace = model.trace(text[1:], start_text=text[0])  # from a zero state, without a start text
    evaluated = slice(80 // 4 - 1, None)
    assert done.characters == 60
    for gate in GATES:
        values = getattr(trace, gate)[:, evaluated]
        np.testing.assert_allclose(done.above[gate], (values > 0.9).mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(done.below[gate], (values < 0.1).mean(axis=1), atol=1e-6)
    # After half_life steps the product of the forget gates has fallen to a half.
    rate = np.log(trace.forget_gate[:, evaluated].astype(np.float64)).mean(axis=1)
    np.testing.assert_allclose(np.exp(rate * done.half_life), 0.5, rtol=1e-4)


def test_chunks_are_read_from_zero_and_counted_after_their_warm_up(model: CharLSTM) -> None:
    ids = model.vocabulary.encode(TEXT * 20).ids[: 4 * CHUNK]
    assert evaluated_positions(len(ids)).shape == (4, CHUNK - WARMUP)
    cells = np.empty((4, CHUNK - WARMUP, 2, 24), np.float32)
    for window, layers in evaluated_steps(model, ids):
        for layer, steps in enumerate(layers):
            cells[:, window, layer] = steps.cell.transpose(0, 1).numpy()
    for number in range(4):
        text = model.vocabulary.decode(ids[number * CHUNK : (number + 1) * CHUNK])
        trace = model.trace(text[1:], start_text=text[0])
        np.testing.assert_allclose(cells[number].transpose(1, 0, 2), trace.cell[:, WARMUP - 1 :], atol=1e-5)


def test_a_large_network_reads_less() -> None:
    small, large = CharLSTMConfig(90, 48, 896, 1), CharLSTMConfig(90, 64, 1536, 3)
    assert num_characters(small, 10**6) == 64 * CHUNK
    assert 16 * CHUNK <= num_characters(large, 10**6) < 64 * CHUNK
    assert num_characters(small, 5 * CHUNK + 3) == 5 * CHUNK
    assert num_characters(small, 7) == 7


def test_the_record_holds_means_of_each_layer(model: CharLSTM) -> None:
    done = gate_statistics(model, model.vocabulary, TEXT * 30)
    record = done.to_record()
    assert record["characters"] == done.characters == (len(TEXT) * 30 // CHUNK) * (CHUNK - WARMUP)
    for layer, entry in enumerate(record["layers"]):
        assert entry["forget_gate"]["above"] == pytest.approx(done.above["forget_gate"][layer].mean(), abs=1e-4)
        assert entry["half_life"]["longest"] == pytest.approx(done.half_life[layer].max(), abs=0.06)
    assert repr(done).startswith("GateStatistics(")
    assert gate_statistics(model, model.vocabulary, "T").characters == 1
    with pytest.raises(ValueError, match="nothing that the model can read"):
        gate_statistics(model, model.vocabulary, "")
