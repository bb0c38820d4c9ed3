"""The product of one row on one thread has the bits of the product on several."""

from __future__ import annotations

import numpy as np
import pytest

from hubcharlstm.row_product import bind_row_product, serial_product


@pytest.mark.parametrize(("num_rows", "size"), [(3584, 896), (2048, 1024), (1280, 320), (96, 896), (1472, 896), (8, 4)])
def test_both_calls_write_the_same_bits_and_the_right_product(num_rows: int, size: int) -> None:
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((num_rows, size), dtype=np.float32)
    x = np.empty((1, size), np.float32)
    product = bind_row_product(x, weight)
    for _ in range(5):
        x[:] = rng.standard_normal((1, size), dtype=np.float32)
        serial = product.serial().copy()
        np.testing.assert_array_equal(serial, product.parallel())
        np.testing.assert_allclose(serial[0], weight.astype(np.float64) @ x[0].astype(np.float64), atol=1e-3)


@pytest.mark.parametrize("num_rows", [3584, 1466, 65, 1])
def test_a_matrix_with_any_number_of_rows_is_multiplied(num_rows: int) -> None:
    """1,466 characters cannot be halved into blocks."""
    rng = np.random.default_rng(2)
    matrix, vector = rng.standard_normal((num_rows, 896), dtype=np.float32), rng.random(896, dtype=np.float32)
    np.testing.assert_allclose(serial_product(matrix, vector), matrix @ vector, atol=1e-3)
