"""Every private operator of PyTorch that this project calls, probed once, each with a public fallback.

pyproject.toml caps torch at the newest minor version whose operators were tried. A fallback serves where its operator
is missing, has another signature, or is inexact on this processor: slower, fp32 results within rounding, int8 sums
equal to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import linear

from hubcharlstm.row_product import RowProduct, bind_row_product

EXACT_TERMS = 1024
"""127 * 127 * 1024 is below 2**24: fp32 adds up that many products of two int8 values without rounding."""

PROBE_ERRORS = (AttributeError, RuntimeError, TypeError, NotImplementedError)


# --- probes --------------------------------------------------------------------------------------------------------


def has_onednn() -> bool:
    """Whether this PyTorch is built with oneDNN."""
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


@cache
def has_packed_linear(dtype: torch.dtype = torch.float32) -> bool:
    """Whether oneDNN multiplies by weights that it has packed (`torch.ops.mkldnn`), in `dtype`, on this processor."""
    if not has_onednn():
        return False
    x, weight = torch.ones(2, 32, dtype=dtype), torch.eye(32, dtype=dtype)
    try:
        packed = _mkldnn_pack(weight, 2)
        plain, added = _mkldnn_linear(x, packed, None), _mkldnn_linear(x, packed, x)
    except PROBE_ERRORS:
        return False
    return torch.equal(plain, x) and torch.equal(added, 2 * x)


@cache
def has_exact_qlinear() -> bool:
    """Whether oneDNN's int8 product (`torch.ops.onednn`) is exact: without VNNI its 16-bit partial sums saturate."""
    if not has_onednn():
        return False
    x, weight = torch.full((3, 64), 127, dtype=torch.int8), torch.full((32, 64), 127, dtype=torch.int8)
    try:
        sums = _onednn_int8_linear(x, _onednn_int8_pack(weight, 3))
    except PROBE_ERRORS:
        return False
    return bool((sums == 127 * 127 * 64).all())


@cache
def has_exact_int_mm() -> bool:
    """Whether `torch._int_mm` multiplies one int8 row exactly."""
    x, weight = torch.full((1, 64), 127, dtype=torch.int8), torch.full((32, 64), 127, dtype=torch.int8)
    try:
        sums = torch._int_mm(x, weight.T)
    except PROBE_ERRORS:
        return False
    return bool((sums == 127 * 127 * 64).all())


@cache
def has_foreach_lerp() -> bool:
    """Whether `torch._foreach_lerp_` interpolates a list of tensors in place."""
    tensors = [torch.zeros(2), torch.zeros(3)]
    try:
        torch._foreach_lerp_(tensors, [torch.ones(2), torch.ones(3)], 0.25)
    except PROBE_ERRORS:
        return False
    return all(bool((tensor == 0.25).all()) for tensor in tensors)


@cache
def has_fast_int8() -> bool:
    """Whether this CPU multiplies int8 faster than fp32: by VNNI, through both private operators."""
    capabilities = torch.cpu.get_capabilities()
    has_vnni = bool(capabilities.get("avx512_vnni") or capabilities.get("avx_vnni"))
    return has_vnni and has_exact_qlinear() and has_exact_int_mm()


@cache
def has_fast_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 faster than fp32, by AVX-512 BF16 and packed weights."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16")) and has_packed_linear(torch.bfloat16)


# --- products in floating point ------------------------------------------------------------------------------------


class PackedLinear:
    """weight (N, K), packed by oneDNN for products of about `batch_size` rows, or plain where it cannot be."""

    def __init__(self, weight: Tensor, batch_size: int) -> None:
        self._packed = has_packed_linear(weight.dtype)
        self._weight = _mkldnn_pack(weight.contiguous(), batch_size) if self._packed else weight.contiguous()

    def __call__(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """x (B, K) @ weight.T, plus `added` (B, N) if it is given."""
        if self._packed:
            return _mkldnn_linear(x, self._weight, added)
        product = linear(x, self._weight)
        return product if added is None else product + added


# --- products of int8 ----------------------------------------------------------------------------------------------


class Int8Linear:
    """weight (N, K) int8, for products with x (B, K) int8 whose sums are exact and therefore equal in any batch.

    Where the private operators are inexact or missing, it multiplies the integers as fp32, `EXACT_TERMS` at a time.
    """

    def __init__(self, weight: Tensor, batch_size: int) -> None:
        self._size = len(weight)
        # Of one term torch._int_mm computes nothing on some processors (2.13).
        is_packed = has_fast_int8() and weight.shape[1] > 1
        self._packed = _onednn_int8_pack(weight.contiguous(), batch_size) if is_packed else None
        if self._packed is None:
            self._parts = [part.float().contiguous() for part in torch.split(weight, EXACT_TERMS, dim=1)]
        else:
            self._columns = weight.contiguous().T  # column-major: 4 times faster for one row

    def __call__(self, x: Tensor) -> Tensor:
        """x (B, K) int8 -> sums (B, N), each rounded once to fp32."""
        if self._packed is not None:
            return _onednn_int8_linear(x, self._packed)
        parts = [
            linear(part, weight)
            for part, weight in zip(torch.split(x.float(), EXACT_TERMS, dim=1), self._parts, strict=True)
        ]
        return parts[0] if len(parts) == 1 else torch.stack(parts).double().sum(dim=0).float()

    def bind_row(self, x: Tensor) -> RowProduct:
        """Calls that multiply what x (1, K) int8 then holds -> sums (1, N), in a buffer that they reuse.

        The private operator takes its number of threads from OpenMP, so that both calls are the same.
        """
        if self._packed is not None:
            sums = torch.empty(1, self._size, dtype=torch.int32)
            integers = sums.numpy()

            def int_mm() -> NDArray[np.generic]:
                torch._int_mm(x, self._columns, out=sums)
                return integers

            return RowProduct(int_mm, int_mm)
        if len(self._parts) > 1:

            def in_parts() -> NDArray[np.generic]:
                return self(x).numpy()

            return RowProduct(in_parts, in_parts)
        row, values = x.numpy(), np.empty(x.shape, np.float32)
        product = bind_row_product(values, self._parts[0].numpy())

        def exact(multiply: Callable[[], NDArray[np.generic]]) -> Callable[[], NDArray[np.generic]]:
            def exact_fp32() -> NDArray[np.generic]:
                np.copyto(values, row)
                return multiply()

            return exact_fp32

        return RowProduct(exact(product.serial), exact(product.parallel))


# --- lists of tensors ----------------------------------------------------------------------------------------------


def lerp_all_(tensors: list[Tensor], targets: list[Tensor], weight: float) -> None:
    """tensor += weight * (target - tensor) for each pair, in place; on a GPU in one launch."""
    if has_foreach_lerp():
        torch._foreach_lerp_(tensors, targets, weight)
        return
    for tensor, target in zip(tensors, targets, strict=True):
        tensor.lerp_(target, weight)


# --- the operators themselves --------------------------------------------------------------------------------------


def _mkldnn_pack(weight: Tensor, batch_size: int) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, batch_size)
    return packed


def _mkldnn_linear(x: Tensor, packed: Tensor, added: Tensor | None) -> Tensor:
    operator = torch.ops.mkldnn._linear_pointwise
    if added is None:
        product: Tensor = operator(x, packed, None, "none", [], "")
    else:
        product = operator.binary(x, added, packed, None, "add")
    return product


def _onednn_int8_pack(weight: Tensor, batch_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The packed weight with the scales and zero points that the operator requires, all of them neutral."""
    packed = torch.ops.onednn.qlinear_prepack(weight, [batch_size, weight.shape[1]])
    return packed, torch.ones(len(weight)), torch.zeros(len(weight), dtype=torch.int32)


def _onednn_int8_linear(x: Tensor, packed: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """oneDNN requires unsigned x: 128 is added here and subtracted again as the zero point."""
    unsigned = torch.bitwise_xor(x.view(torch.uint8), 128)
    weight, scales, zero_points = packed
    sums: Tensor = torch.ops.onednn.qlinear_pointwise(
        unsigned, 1.0, 128, weight, scales, zero_points, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return sums
