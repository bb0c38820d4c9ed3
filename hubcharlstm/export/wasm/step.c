/* One step of an LSTM layer and of the head in int8, for WebAssembly with SIMD and without a C library.

   The arithmetic is that of hubcharlstm/decoding/single_row.py: exact integer sums, converted and scaled with one
   rounding each, and every other operation of float32 rounded once. exp and tanh are this file's own; they round as
   PyTorch and NumPy do but for one value in a thousand, and one in a hundred.

   The caller lays out the memory (runtime/network.js). Sizes are padded to a multiple of 32; addresses are aligned to
   16 bytes. int8 products fit: 127 * 127 * K stays below 2**31 up to K = 133,000. */

#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(name)))

/* 1/k!, from k = 2 to 13: the Taylor polynomial of (exp(r) - 1 - r) / r**2, whose remainder is below 2**-48 for
   |r| <= ln(2) / 2. */
static const double factorials[] = {0.5,          1.0 / 6,       1.0 / 24,       1.0 / 120,
                                    1.0 / 720,    1.0 / 5040,    1.0 / 40320,    1.0 / 362880,
                                    1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};

static inline v128_t tail_f64x2(v128_t r) {
    v128_t sum = wasm_f64x2_splat(factorials[11]);
    for (int k = 10; k >= 0; k--)
        sum = wasm_f64x2_add(wasm_f64x2_mul(sum, r), wasm_f64x2_splat(factorials[k]));
    return sum;
}

/* exp of two float64 values: 2**n * exp(r). */
static inline v128_t exp_f64x2(v128_t x) {
    x = wasm_f64x2_min(wasm_f64x2_max(x, wasm_f64x2_splat(-700.0)), wasm_f64x2_splat(700.0));
    v128_t n = wasm_f64x2_nearest(wasm_f64x2_mul(x, wasm_f64x2_splat(0x1.71547652b82fep+0)));
    v128_t r = wasm_f64x2_sub(x, wasm_f64x2_mul(n, wasm_f64x2_splat(0x1.62e42feep-1))); /* exact: a short ln(2) */
    r = wasm_f64x2_sub(r, wasm_f64x2_mul(n, wasm_f64x2_splat(0x1.a39ef35793c76p-33)));  /* and its rest */
    v128_t sum = wasm_f64x2_add(r, wasm_f64x2_mul(wasm_f64x2_mul(r, r), tail_f64x2(r)));
    sum = wasm_f64x2_add(sum, wasm_f64x2_splat(1.0));
    v128_t integers = wasm_i64x2_extend_low_i32x4(wasm_i32x4_trunc_sat_f64x2_zero(n));
    v128_t power = wasm_i64x2_shl(wasm_i64x2_add(integers, wasm_i64x2_splat(1023)), 52);
    return wasm_f64x2_mul(sum, power);
}

static inline v128_t join_f32x4(v128_t low, v128_t high) {
    return wasm_i32x4_shuffle(wasm_f32x4_demote_f64x2_zero(low), wasm_f32x4_demote_f64x2_zero(high), 0, 1, 4, 5);
}

static inline v128_t high_f64x2(v128_t x) { return wasm_f64x2_promote_low_f32x4(wasm_i32x4_shuffle(x, x, 2, 3, 2, 3)); }

/* a * b + c with one rounding, as a processor's fused operation has it: the product is exact in float64. */
static inline v128_t fused_f32x4(v128_t a, v128_t b, v128_t c) {
    v128_t low = wasm_f64x2_mul(wasm_f64x2_promote_low_f32x4(a), wasm_f64x2_promote_low_f32x4(b));
    v128_t high = wasm_f64x2_mul(high_f64x2(a), high_f64x2(b));
    return join_f32x4(wasm_f64x2_add(low, wasm_f64x2_promote_low_f32x4(c)), wasm_f64x2_add(high, high_f64x2(c)));
}

/* exp in float32 by the reduction of Cody & Waite (1980) with fused operations: 2**n * (1 + (r + r**2 * tail)). Vector
   libraries compute it so, and PyTorch's sigmoid with them; the roundings in between are theirs. */
static inline v128_t exp_f32x4(v128_t x) {
    x = wasm_f32x4_min(wasm_f32x4_max(x, wasm_f32x4_splat(-87.0f)), wasm_f32x4_splat(87.0f));
    v128_t n = wasm_f32x4_nearest(wasm_f32x4_mul(x, wasm_f32x4_splat(0x1.715476p+0f)));
    v128_t r = fused_f32x4(n, wasm_f32x4_splat(-0x1.62e4p-1f), x); /* ln(2) to 16 binary digits */
    r = fused_f32x4(n, wasm_f32x4_splat(-0x1.7f7d1cp-20f), r);     /* and its rest */
    v128_t tail = join_f32x4(tail_f64x2(wasm_f64x2_promote_low_f32x4(r)), tail_f64x2(high_f64x2(r)));
    v128_t sum = wasm_f32x4_add(wasm_f32x4_splat(1.0f), fused_f32x4(wasm_f32x4_mul(r, r), tail, r));
    v128_t power = wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(n), wasm_i32x4_splat(127)), 23);
    return wasm_f32x4_mul(sum, power);
}

/* 1 / (1 + exp(-x)). */
static inline v128_t sigmoid_f32x4(v128_t x) {
    v128_t one = wasm_f32x4_splat(1.0f);
    return wasm_f32x4_div(one, wasm_f32x4_add(one, exp_f32x4(wasm_f32x4_neg(x))));
}

/* 1 - 2 / (exp(2x) + 1); x - x**3 / 3 near 0, where the difference would lose digits. */
static inline v128_t tanh_f64x2(v128_t x) {
    v128_t one = wasm_f64x2_splat(1.0), two = wasm_f64x2_splat(2.0);
    v128_t far = wasm_f64x2_sub(one, wasm_f64x2_div(two, wasm_f64x2_add(exp_f64x2(wasm_f64x2_add(x, x)), one)));
    v128_t square = wasm_f64x2_mul(x, x);
    v128_t near = wasm_f64x2_sub(x, wasm_f64x2_mul(wasm_f64x2_mul(x, square), wasm_f64x2_splat(1.0 / 3)));
    return wasm_v128_bitselect(near, far, wasm_f64x2_lt(x, wasm_f64x2_splat(1e-4)));
}

/* tanh as NumPy rounds it: `bias` holds its mean error in each quarter of an octave from 2**-12 to 2**4, and 0 first,
   for what lies below (weights.py measures it). */
static inline v128_t tanh_f32x4(v128_t x, const float *bias) {
    v128_t sign = wasm_v128_and(x, wasm_i32x4_splat((int)0x80000000)), size = wasm_v128_xor(x, sign);
    v128_t quarter = wasm_i32x4_sub(wasm_i32x4_shr(size, 21), wasm_i32x4_splat((127 - 12) * 4 - 1));
    quarter = wasm_i32x4_min(wasm_i32x4_max(quarter, wasm_i32x4_splat(0)), wasm_i32x4_splat(64));
    v128_t error = wasm_f32x4_make(bias[wasm_i32x4_extract_lane(quarter, 0)], bias[wasm_i32x4_extract_lane(quarter, 1)],
                                   bias[wasm_i32x4_extract_lane(quarter, 2)], bias[wasm_i32x4_extract_lane(quarter, 3)]);
    v128_t low = tanh_f64x2(wasm_f64x2_promote_low_f32x4(size)), high = tanh_f64x2(high_f64x2(size));
    low = wasm_f64x2_add(low, wasm_f64x2_promote_low_f32x4(error));
    return wasm_v128_or(join_f32x4(low, wasm_f64x2_add(high, high_f64x2(error))), sign);
}

static inline v128_t dot_i8x16(v128_t sum, v128_t weights, v128_t low, v128_t high) {
    sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(weights), low));
    return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(weights), high));
}

/* Four vectors -> the sum of each, in order. */
static inline v128_t sum_each(v128_t a, v128_t b, v128_t c, v128_t d) {
    v128_t ab = wasm_i32x4_add(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), wasm_i32x4_shuffle(a, b, 2, 6, 3, 7));
    v128_t cd = wasm_i32x4_add(wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), wasm_i32x4_shuffle(c, d, 2, 6, 3, 7));
    return wasm_i32x4_add(wasm_i64x2_shuffle(ab, cd, 0, 2), wasm_i64x2_shuffle(ab, cd, 1, 3));
}

/* out[n] = base[n] + scale[n] * (weight[n] . x). weight: (N, K) int8. x: (K,) int16. N a multiple of 4, K of 16. */
EXPORT("linear")
void linear(const int8_t *weight, const float *scale, const float *base, const int16_t *x, int N, int K, float *out) {
    for (int n = 0; n < N; n += 4) {
        const int8_t *w = weight + (long)n * K;
        v128_t a = wasm_i32x4_splat(0), b = a, c = a, d = a;
        for (int k = 0; k < K; k += 16) { /* the int8 values of 16 columns in four rows */
            v128_t low = wasm_v128_load(x + k), high = wasm_v128_load(x + k + 8);
            a = dot_i8x16(a, wasm_v128_load(w + k), low, high);
            b = dot_i8x16(b, wasm_v128_load(w + K + k), low, high);
            c = dot_i8x16(c, wasm_v128_load(w + 2 * K + k), low, high);
            d = dot_i8x16(d, wasm_v128_load(w + 3 * K + k), low, high);
        }
        v128_t sums = wasm_f32x4_convert_i32x4(sum_each(a, b, c, d));
        v128_t scaled = wasm_f32x4_mul(sums, wasm_v128_load(scale + n));
        wasm_v128_store(out + n, wasm_f32x4_add(wasm_v128_load(base + n), scaled));
    }
}

/* c = f * c + i * g, h = round(127 * o * tanh(c)), from the preactivations of i, f, o, g: (4H,). bias: (65,), of tanh.
   c: (H,). h: (H,) int16, in which int8 values lie ready for `linear`. */
EXPORT("update")
void update(const float *gates, const float *bias, int H, float *c, int16_t *h) {
    for (int n = 0; n < H; n += 8) {
        v128_t rounded[2];
        for (int half = 0; half < 2; half++) {
            int j = n + 4 * half;
            v128_t i = sigmoid_f32x4(wasm_v128_load(gates + j));
            v128_t f = sigmoid_f32x4(wasm_v128_load(gates + H + j));
            v128_t o = sigmoid_f32x4(wasm_v128_load(gates + 2 * H + j));
            v128_t g = tanh_f32x4(wasm_v128_load(gates + 3 * H + j), bias);
            v128_t kept = wasm_f32x4_mul(wasm_v128_load(c + j), f);
            v128_t cell = wasm_f32x4_add(kept, wasm_f32x4_mul(g, i));
            wasm_v128_store(c + j, cell);
            v128_t scaled = wasm_f32x4_mul(wasm_f32x4_mul(tanh_f32x4(cell, bias), o), wasm_f32x4_splat(127.0f));
            rounded[half] = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(scaled));
        }
        wasm_v128_store(h + n, wasm_i16x8_narrow_i32x4(rounded[0], rounded[1]));
    }
}
