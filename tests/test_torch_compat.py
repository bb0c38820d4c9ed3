"""The contract of torch_compat: one probe for each private operator, and a public fallback with the same results.

A test that fails here says which operator of PyTorch has changed: adapt torch_compat, or cap torch below that version.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hubcharlstm import torch_compat
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.network import CharLSTMConfig, CharLSTMNetwork
from hubcharlstm.torch_compat import EXACT_TERMS, Int8Linear, PackedLinear, lerp_all_
from tests.decoding.test_decoder import step_all

ROOT = Path(__file__).parents[1]
PROBES = ("has_packed_linear", "has_exact_qlinear", "has_exact_int_mm", "has_foreach_lerp")
DERIVED = ("has_fast_int8", "has_fast_bf16")


@pytest.fixture(autouse=True)
def fresh_probes() -> Iterator[None]:
    """Each test probes anew, and leaves no result of a patched probe behind."""
    cached = [getattr(torch_compat, name) for name in (*PROBES, *DERIVED)]
    for probe in cached:
        probe.cache_clear()
    yield
    for probe in cached:
        probe.cache_clear()


def force(monkeypatch: pytest.MonkeyPatch, *, result: bool, names: tuple[str, ...] = PROBES) -> None:
    """Let probes give `result` whatever this PyTorch and processor can do."""
    for name in names:
        monkeypatch.setattr(torch_compat, name, lambda *_: result)


def test_the_operators_of_this_pytorch_work() -> None:
    """With the version that pyproject.toml allows at most, on a processor that has oneDNN."""
    assert torch_compat.has_foreach_lerp(), "torch._foreach_lerp_ is gone or changed"
    if torch_compat.has_onednn():
        assert torch_compat.has_packed_linear(), "torch.ops.mkldnn._linear_pointwise is gone, changed or inexact"


def test_torch_is_capped_at_the_newest_minor_version_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [torch_requirement] = [entry for entry in project["dependencies"] if entry.startswith("torch>")]
    major, minor = map(int, torch.__version__.split(".")[:2])
    assert torch_requirement.endswith(f",<{major}.{minor + 1}"), "run these tests with the newest torch allowed"


def test_each_operator_is_probed_once() -> None:
    network = CharLSTMNetwork(CharLSTMConfig(17, 8, 33, 2)).eval()
    for _ in range(3):
        for precision in ("fp32", "int8"):
            step_all(Decoder(network, precision), torch.zeros(2, 3, dtype=torch.int64))
        lerp_all_([torch.zeros(1)], [torch.ones(1)], 0.5)
    assert torch_compat.has_packed_linear.cache_info().misses == 1
    assert torch_compat.has_foreach_lerp.cache_info().misses == 1
    assert torch_compat.has_exact_qlinear.cache_info().misses <= 1  # none without VNNI
    assert torch_compat.has_exact_int_mm.cache_info().misses <= 1


@pytest.mark.parametrize(("hidden_size", "num_layers"), [(24, 1), (33, 3), (97, 2), (300, 1)])
@pytest.mark.parametrize("count", [1, 2, 17, 70])
def test_fp32_logits_without_the_operators_are_within_rounding(
    monkeypatch: pytest.MonkeyPatch, hidden_size: int, num_layers: int, count: int
) -> None:
    torch.manual_seed(0)
    network = CharLSTMNetwork(CharLSTMConfig(65, 16, hidden_size, num_layers)).eval()
    ids = torch.randint(65, (count, 20))
    with_operators = step_all(Decoder(network), ids)
    force(monkeypatch, result=False)
    torch.testing.assert_close(step_all(Decoder(network), ids), with_operators, atol=1e-5, rtol=0)


@pytest.mark.parametrize("probe", PROBES)
def test_int8_logits_without_one_of_the_operators_are_equal(monkeypatch: pytest.MonkeyPatch, probe: str) -> None:
    torch.manual_seed(0)
    network = CharLSTMNetwork(CharLSTMConfig(65, 16, 97, 2)).eval()
    ids = torch.randint(65, (5, 20))
    with_operators = step_all(Decoder(network, "int8"), ids)
    force(monkeypatch, result=False, names=(probe,))
    assert torch.equal(step_all(Decoder(network, "int8"), ids), with_operators)


def extreme(shape: tuple[int, int], seed: int) -> Tensor:
    """int8 values of which all are 127 or -127."""
    signs = torch.randint(2, shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return (127 * signs).to(torch.int8)


@pytest.mark.parametrize("has_operators", [True, False])
@pytest.mark.parametrize("terms", [1, 32, 97, EXACT_TERMS, EXACT_TERMS + 1, 2500])
def test_int8_sums_are_those_of_integers(monkeypatch: pytest.MonkeyPatch, terms: int, has_operators: bool) -> None:
    """Each sum is exact and rounded to fp32 once, also beyond 2**24 and for values that saturate 16 bits."""
    if not has_operators:
        force(monkeypatch, result=False)
    draw = torch.Generator().manual_seed(terms)
    random_values = [torch.randint(-127, 128, (size, terms), generator=draw).to(torch.int8) for size in (33, 70)]
    ones = [torch.full((size, terms), 127, dtype=torch.int8) for size in (33, 70)]
    for weight, x in (random_values, ones, (ones[0], -ones[1]), (extreme((33, terms), 1), extreme((70, terms), 2))):
        kernel = Int8Linear(weight, 64)
        exact = (x.long() @ weight.long().T).float()
        for count in (1, 2, 5, 70):
            assert torch.equal(kernel(x[:count]), exact[:count])
        row = x[:1].clone()
        for sums in kernel.bind_row(row):
            for n in (0, 3):
                row.copy_(x[n : n + 1])
                np.testing.assert_array_equal(np.asarray(sums(), np.float32), exact[n : n + 1].numpy())


@pytest.mark.parametrize("has_operators", [True, False])
def test_a_packed_product_adds_what_it_is_given(monkeypatch: pytest.MonkeyPatch, has_operators: bool) -> None:
    if not has_operators:
        force(monkeypatch, result=False)
    draw = torch.Generator().manual_seed(1)
    weight, x, added = (torch.randn(shape, generator=draw) for shape in ((33, 64), (5, 64), (5, 33)))
    linear = PackedLinear(weight, 8)
    torch.testing.assert_close(linear(x), x @ weight.T, atol=1e-5, rtol=0)
    torch.testing.assert_close(linear(x, added), x @ weight.T + added, atol=1e-5, rtol=0)


@pytest.mark.parametrize("weight", [0.0, 0.0009765, 0.3, 0.7, 1.0])
def test_interpolated_lists_have_the_same_bits_without_the_operator(
    monkeypatch: pytest.MonkeyPatch, weight: float
) -> None:
    """A run's averaged weights must not depend on it."""
    draw = torch.Generator().manual_seed(1)
    start, targets = ([torch.randn(7, n, generator=draw) for n in (1, 33, 300)] for _ in range(2))
    one, other = ([tensor.clone() for tensor in start] for _ in range(2))
    lerp_all_(one, targets, weight)
    force(monkeypatch, result=False)
    lerp_all_(other, targets, weight)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_speed_is_claimed_only_where_instructions_and_operators_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def claims(*missing: str, **capabilities: bool) -> tuple[bool, bool]:
        for name in DERIVED:
            getattr(torch_compat, name).cache_clear()
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
        force(monkeypatch, result=True)
        force(monkeypatch, result=False, names=missing)
        return torch_compat.has_fast_int8(), torch_compat.has_fast_bf16()

    assert claims(avx512_vnni=True, avx512_bf16=True) == (True, True)
    assert claims(avx_vnni=True) == (True, False)
    assert claims() == (False, False)
    assert claims("has_exact_qlinear", avx_vnni=True, avx512_bf16=True) == (False, True)
    assert claims("has_exact_int_mm", avx_vnni=True, avx512_bf16=True) == (False, True)
    assert claims("has_packed_linear", avx_vnni=True, avx512_bf16=True) == (True, False)


MISSING_OPERATORS = """
import torch

class Missing:
    def __getattr__(self, name):
        raise AttributeError(name)

torch.ops.mkldnn = torch.ops.onednn = Missing()
del torch._int_mm, torch._foreach_lerp_
torch.cpu.get_capabilities = lambda: {"avx512_vnni": True, "avx512_bf16": True}

from hubcharlstm import CharLSTM, CharLSTMConfig, Vocabulary, torch_compat
from training.ema import WeightEMA

assert not torch_compat.has_fast_int8() and not torch_compat.has_fast_bf16()
model = CharLSTM(CharLSTMConfig(3, 8, 33, 2), Vocabulary("abc")).eval()
for precision in ("fp32", "int8", "bf16"):
    model.precision = precision
    assert len(model.generate("abc", max_new_tokens=9, seed=1)) == 9
WeightEMA(model, 0.9).update(1)
print("works")
"""


def test_missing_operators_are_no_error_at_import_or_use() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MISSING_OPERATORS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("works\n", "")


def private_names(path: Path) -> list[str]:
    """Where a module reaches for `torch._name`, `torch.ops` or a private module of torch."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = ""
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            name = ".".join(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            name = " ".join(alias.name for alias in node.names)
        head, *rest = name.split(".")
        if head == "torch" and any(part == "ops" or part.startswith("_") for part in rest):
            found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {name}")
    return found


def test_private_names_of_torch_stand_in_torch_compat_alone() -> None:
    folders = ("hubcharlstm", "training", "benchmarks", "examples")
    files = [ROOT / "app.py", *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    adapter = ROOT / "hubcharlstm" / "torch_compat.py"
    assert [name for path in files if path != adapter for name in private_names(path)] == []
    assert len(private_names(adapter)) >= 7
