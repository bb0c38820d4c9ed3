"""The step in WebAssembly: its bytes come from the C source, its numbers are those of the int8 decoder in Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hubcharlstm import CharLSTM, DamagedModelError
from hubcharlstm.decoding.fused_weights import FusedWeights
from hubcharlstm.decoding.kernels import Int8LinearKernel
from hubcharlstm.export.wasm import build
from hubcharlstm.export.weights import int8_weights, tanh_bias
from tests.support.exported import PackagePage, small_model

LOGITS = """(ids) => {
  let state = null;
  return ids.map((id) => {
    const result = model.step(state, id);
    state = result.state;
    return Array.from(result.logits);
  });
}"""

OpenPackage = Callable[[CharLSTM], PackagePage]


def test_the_compiler_gives_the_committed_bytes(tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    build.build(tmp_path / "step.wasm")
    assert (tmp_path / "step.wasm").read_bytes() == build.BINARY.read_bytes(), (
        "run python -m hubcharlstm.export.wasm.build"
    )
    assert build.BINARY.stat().st_size < 8_000


def test_the_weights_are_those_of_the_decoder() -> None:
    model = small_model(num_layers=2)
    data, weights = int8_weights(model), FusedWeights.of(model)
    size, start = 64, 0
    for layer, columns in ((0, size), (1, 2 * size)):
        values = np.frombuffer(data, np.int8, 4 * size * columns, start).reshape(4 * size, columns)
        factors = np.frombuffer(data, "<f4", 4 * size, start + values.size)
        x = torch.randint(-127, 128, (1, columns), dtype=torch.int8)
        sums = values.astype(np.int64) @ x[0].numpy().astype(np.int64)
        product = Int8LinearKernel(weights.layers[layer]).matmul(x)[0].numpy()
        assert np.array_equal(sums.astype(np.float32) * factors, product)
        start += values.size + 8 * 4 * size
    table, bias = np.split(np.frombuffer(data, "<f4", offset=len(data) - (weights.table.numel() + 68) * 4), [-68])
    assert np.array_equal(table.reshape(weights.table.shape), weights.table.numpy())
    assert np.array_equal(bias, tanh_bias().astype(np.float32))


def test_the_bias_of_tanh_leads_to_the_bits_of_numpy() -> None:
    x = np.random.default_rng(0).exponential(1.0, 100_000).astype(np.float32)
    quarter = np.clip((x.view(np.int32) >> 21) - ((127 - 12) * 4 - 1), 0, 64)
    rounded = (np.tanh(x.astype(np.float64)) + tanh_bias()[quarter]).astype(np.float32)
    assert (rounded != np.tanh(x)).mean() < 0.05


def test_weights_that_are_not_finite_are_refused() -> None:
    model = small_model()
    with torch.no_grad():
        model.head.bias[3] = float("nan")
    with pytest.raises(DamagedModelError):
        int8_weights(model)


@pytest.mark.browser
@pytest.mark.parametrize(("hidden_size", "num_layers"), [(40, 1), (32, 2), (97, 3)])
def test_the_logits_are_those_of_python(open_package: OpenPackage, hidden_size: int, num_layers: int) -> None:
    model = small_model(hidden_size=hidden_size, num_layers=num_layers)
    ids = np.random.default_rng(1).integers(0, len(model.vocabulary), 150).tolist()
    buffer = model.decoder.state_buffer(1)
    expected = np.array([model.decoder.step(torch.tensor([one]), buffer)[0].tolist() for one in ids])
    found = np.array(open_package(model).run(LOGITS, ids))
    difference = np.abs(found - expected).max(axis=1)
    # A hidden value may round to the other side of a half, which is 1/127; until then float32 agrees to 1e-5.
    assert np.median(difference) <= 1e-5
    assert difference[0] <= 1e-5


@pytest.mark.browser
def test_sums_are_exact_at_the_ends_of_int8(open_package: OpenPackage) -> None:
    """Saturated units and weights of one size: every product is 127 * 127 or its negative."""
    model = small_model(hidden_size=64)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.zero_()
            if name == "head.weight":
                value.copy_(torch.where(torch.arange(value.numel()).reshape(value.shape) % 3 == 0, -2.0, 2.0))
            if name == "lstm.bias_ih_l0":
                value.fill_(30.0)
    expected = model.decoder.step(torch.tensor([0]), buffer := model.decoder.state_buffer(1))[0].tolist()
    for _ in range(7):  # tanh(c) of c = 8 rounds to 127
        expected = model.decoder.step(torch.tensor([0]), buffer)[0].tolist()
    assert buffer.get(0)[0].eq(1).all()
    assert open_package(model).run(LOGITS, [0] * 8)[-1] == expected
