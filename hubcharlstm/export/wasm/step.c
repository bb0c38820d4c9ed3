/* One step of an LSTM layer and of the head in int8, for WebAssembly with SIMD and without a C library.

   The arithmetic is that of hubcharlstm/decoding/single_row.py: exact integer sums, converted and scaled with one
   rounding each, and every other operation of float32 rounded once. Only exp is this file's own, in float64, so that
   its float32 result is correctly rounded but for rare ties.

   The caller lays out the memory (runtime/network.js). Sizes are padded to a multiple of 32; addresses are aligned to
   16 bytes. int8 products fit: 127 * 127 * K stays below 2**31 up to K = 133,000. */

#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(name)))

/* exp of two float64 values: 2**n * exp(r) with |r| <= ln(2) / 2, and a Taylor polynomial of degree 11 for exp(r),
   whose remainder is below 2**-46. */
static inline v128_t exp_f64x2(v128_t x) {
    static const double coefficients[] = {1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
                                          1.0 / 720,      1.0 / 120,     1.0 / 24,     1.0 / 6,     0.5,
                                          1.0,            1.0};
    x = wasm_f64x2_min(wasm_f64x2_max(x, wasm_f64x2_splat(-700.0)), wasm_f64x2_splat(700.0));
    v128_t n = wasm_f64x2_nearest(wasm_f64x2_mul(x, wasm_f64x2_splat(0x1.71547652b82fep+0)));
    v128_t r = wasm_f64x2_sub(x, wasm_f64x2_mul(n, wasm_f64x2_splat(0x1.62e42feep-1))); /* exact: a short ln(2) */
    r = wasm_f64x2_sub(r, wasm_f64x2_mul(n, wasm_f64x2_splat(0x1.a39ef35793c76p-33)));  /* and its rest */
    v128_t sum = wasm_f64x2_splat(coefficients[0]);
    for (int k = 1; k < 12; k++)
        sum = wasm_f64x2_add(wasm_f64x2_mul(sum, r), wasm_f64x2_splat(coefficients[k]));
    v128_t integers = wasm_i64x2_extend_low_i32x4(wasm_i32x4_trunc_sat_f64x2_zero(n));
    v128_t power = wasm_i64x2_shl(wasm_i64x2_add(integers, wasm_i64x2_splat(1023)), 52);
    return wasm_f64x2_mul(sum, power);
}

static inline v128_t join_f32x4(v128_t low, v128_t high) {
    return wasm_i32x4_shuffle(wasm_f32x4_demote_f64x2_zero(low), wasm_f32x4_demote_f64x2_zero(high), 0, 1, 4, 5);
}

static inline v128_t high_f64x2(v128_t x) { return wasm_f64x2_promote_low_f32x4(wasm_i32x4_shuffle(x, x, 2, 3, 2, 3)); }

/* 1 / (1 + exp(-x)), each of the three operations rounded to float32 as in PyTorch. */
static inline v128_t sigmoid_f32x4(v128_t x) {
    v128_t one = wasm_f32x4_splat(1.0f), negative = wasm_f32x4_neg(x);
    v128_t e = join_f32x4(exp_f64x2(wasm_f64x2_promote_low_f32x4(negative)), exp_f64x2(high_f64x2(negative)));
    return wasm_f32x4_div(one, wasm_f32x4_add(one, e));
}

/* 1 - 2 / (exp(2x) + 1); x - x**3 / 3 near 0, where the difference would lose digits. */
static inline v128_t tanh_f64x2(v128_t x) {
    v128_t one = wasm_f64x2_splat(1.0), two = wasm_f64x2_splat(2.0);
    v128_t far = wasm_f64x2_sub(one, wasm_f64x2_div(two, wasm_f64x2_add(exp_f64x2(wasm_f64x2_add(x, x)), one)));
    v128_t square = wasm_f64x2_mul(x, x);
    v128_t near = wasm_f64x2_sub(x, wasm_f64x2_mul(wasm_f64x2_mul(x, square), wasm_f64x2_splat(1.0 / 3)));
    return wasm_v128_bitselect(near, far, wasm_f64x2_lt(wasm_f64x2_abs(x), wasm_f64x2_splat(1e-4)));
}

static inline v128_t tanh_f32x4(v128_t x) {
    return join_f32x4(tanh_f64x2(wasm_f64x2_promote_low_f32x4(x)), tanh_f64x2(high_f64x2(x)));
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

/* c = f * c + i * g, h = round(127 * o * tanh(c)), from the preactivations of i, f, o, g: (4H,). c: (H,). h: (H,) int16,
   in which int8 values lie ready for `linear`. */
EXPORT("update")
void update(const float *gates, int H, float *c, int16_t *h) {
    for (int n = 0; n < H; n += 8) {
        v128_t rounded[2];
        for (int half = 0; half < 2; half++) {
            int j = n + 4 * half;
            v128_t i = sigmoid_f32x4(wasm_v128_load(gates + j));
            v128_t f = sigmoid_f32x4(wasm_v128_load(gates + H + j));
            v128_t o = sigmoid_f32x4(wasm_v128_load(gates + 2 * H + j));
            v128_t g = tanh_f32x4(wasm_v128_load(gates + 3 * H + j));
            v128_t kept = wasm_f32x4_mul(wasm_v128_load(c + j), f);
            v128_t cell = wasm_f32x4_add(kept, wasm_f32x4_mul(g, i));
            wasm_v128_store(c + j, cell);
            v128_t scaled = wasm_f32x4_mul(wasm_f32x4_mul(tanh_f32x4(cell), o), wasm_f32x4_splat(127.0f));
            rounded[half] = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(scaled));
        }
        wasm_v128_store(h + n, wasm_i16x8_narrow_i32x4(rounded[0], rounded[1]));
    }
}
