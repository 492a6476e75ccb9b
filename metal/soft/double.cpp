// float64: the kernels of the families that have it, under the names and with
// the arguments that the launch functions of package kernels use. Metal has no
// double, so that no .metal file may mention one: they are part of the software
// device alone.
#include <cmath>
#include <cstring>

#undef INFINITY // the shim's are floats, as Metal's are
#undef NAN
#undef MAXFLOAT

#include "../../kernels/kernel.h"
#include "../../kernels/binary.h"
#include "../../kernels/copy.h"
#include "../../kernels/fill.h"
#include "../../kernels/gather.h"
#include "../../kernels/reduce.h"
#include "../../kernels/unary.h"

namespace {

int64_t place_of(const int64_t* strides, const uint32_t* shape, uint32_t ndim, int64_t at, uint64_t i) {
  for (int d = int(ndim) - 1; d > 0; d--) {
    at += int64_t(i % shape[d]) * strides[d];
    i /= shape[d];
  }
  return at + int64_t(i) * strides[0];
}

template <class U, class T> struct cast {
  static U from(T x) { return U(x); }
};
template <class T> struct cast<bool, T> {
  static bool from(T x) { return x != T(0); }
};
// 16-bit floats convert by way of float.
template <> struct cast<half, double> {
  static half from(double x) { return half(float(x)); }
};
template <> struct cast<bfloat, double> {
  static bfloat from(double x) { return bfloat(float(x)); }
};
template <> struct cast<double, half> {
  static double from(half x) { return double(float(x)); }
};
template <> struct cast<double, bfloat> {
  static double from(bfloat x) { return double(float(x)); }
};
template <> struct cast<double, float2> {
  static double from(float2 x) { return double(x.x); }
};
template <> struct cast<float2, double> {
  static float2 from(double x) { return float2(float(x), 0.0f); }
};

double sign(double x) { return double(x > 0) - double(x < 0); }

// Giles's approximation in float, made exact by Newton's method.
double erfinv(double x) {
  if (std::fabs(x) >= 1) return x == 1 ? INFINITY : (x == -1 ? -INFINITY : NAN);
  double w = std::log((1 - x) * (1 + x)), a = 2 / (M_PI * 0.147) + w / 2;
  double y = std::copysign(std::sqrt(std::sqrt(a * a - w / 0.147) - a), x);
  for (int i = 0; i < 4; i++) y -= (std::erf(y) - x) / (2 / std::sqrt(M_PI) * std::exp(-y * y));
  return x == 0 ? x : y;
}

double unary(uint32_t op, double x) {
  switch (op) {
    case UNARY_ABS: return std::fabs(x);
    case UNARY_NEGATIVE: return -x;
    case UNARY_SIGN: return sign(x);
    case UNARY_SQUARE: return x * x;
    case UNARY_SQRT: return std::sqrt(x);
    case UNARY_RSQRT: return 1 / std::sqrt(x);
    case UNARY_RECIPROCAL: return 1 / x;
    case UNARY_EXPM1: return std::expm1(x);
    case UNARY_LOG: return std::log(x);
    case UNARY_LOG2: return std::log2(x);
    case UNARY_LOG10: return std::log10(x);
    case UNARY_LOG1P: return std::log1p(x);
    case UNARY_SIGMOID: return 1 / (1 + std::exp(-x));
    case UNARY_ERF: return std::erf(x);
    case UNARY_ERFINV: return erfinv(x);
    case UNARY_SIN: return std::sin(x);
    case UNARY_COS: return std::cos(x);
    case UNARY_TAN: return std::tan(x);
    case UNARY_ARCSIN: return std::asin(x);
    case UNARY_ARCCOS: return std::acos(x);
    case UNARY_ARCTAN: return std::atan(x);
    case UNARY_SINH: return std::sinh(x);
    case UNARY_COSH: return std::cosh(x);
    case UNARY_TANH: return std::tanh(x);
    case UNARY_ARCSINH: return std::asinh(x);
    case UNARY_ARCCOSH: return std::acosh(x);
    case UNARY_ARCTANH: return std::atanh(x);
    case UNARY_FLOOR: return std::floor(x);
    case UNARY_CEIL: return std::ceil(x);
    case UNARY_ROUND: return std::rint(x);
    default: return std::exp(x);
  }
}

double remainder_of(double a, double b) {
  double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

double log_add_exp(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return NAN;
  double hi = a > b ? a : b, lo = a > b ? b : a;
  return std::isinf(lo) && lo < 0 ? hi : (std::isinf(hi) ? hi : hi + std::log1p(std::exp(lo - hi)));
}

double binary(uint32_t op, double a, double b) {
  switch (op) {
    case BINARY_ADD: return a + b;
    case BINARY_SUBTRACT: return a - b;
    case BINARY_MULTIPLY: return a * b;
    case BINARY_DIVIDE: return a / b;
    case BINARY_FLOOR_DIVIDE: return std::floor(a / b);
    case BINARY_REMAINDER: return remainder_of(a, b);
    case BINARY_POWER: return std::pow(a, b);
    case BINARY_MAXIMUM: return std::isnan(a) || a > b ? a : b;
    case BINARY_MINIMUM: return std::isnan(a) || a < b ? a : b;
    case BINARY_LOG_ADD_EXP: return log_add_exp(a, b);
    default: return std::atan2(a, b);
  }
}

bool compare(uint32_t op, double a, double b) {
  switch (op) {
    case BINARY_EQUAL: return a == b;
    case BINARY_NOT_EQUAL: return a != b;
    case BINARY_LESS: return a < b;
    case BINARY_LESS_EQUAL: return a <= b;
    case BINARY_GREATER: return a > b;
    default: return a >= b;
  }
}

bool predicate(uint32_t op, double x) {
  switch (op) {
    case UNARY_IS_INF: return std::isinf(x);
    case UNARY_IS_FINITE: return std::isfinite(x);
    case UNARY_IS_POS_INF: return std::isinf(x) && x > 0;
    case UNARY_IS_NEG_INF: return std::isinf(x) && x < 0;
    default: return std::isnan(x);
  }
}

double join(uint32_t op, double a, double b) {
  switch (op) {
    case REDUCE_SUM: return a + b;
    case REDUCE_PROD: return a * b;
    case REDUCE_MAX: return a != a || a > b ? a : b;
    case REDUCE_MIN: return a != a || a < b ? a : b;
    case REDUCE_ALL: return a != 0 && b != 0;
    default: return a != 0 || b != 0;
  }
}

double start_of(uint32_t op) {
  switch (op) {
    case REDUCE_PROD: case REDUCE_ALL: return 1;
    case REDUCE_MAX: return -INFINITY;
    case REDUCE_MIN: return INFINITY;
    default: return 0;
  }
}

template <class I> uint64_t row_of(I id, int64_t n) {
  int64_t r = int64_t(id);
  r += r < 0 ? n : 0;
  return uint64_t(r < 0 ? 0 : (r >= n ? n - 1 : r));
}

}  // namespace

template <typename T, typename U>
[[kernel]] void double_copy(
    device const T* x [[buffer(0)]], device U* out [[buffer(1)]], constant CopyArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    T v = x[place_of(args.srcStrides, args.shape, args.ndim, args.srcOffset, i)];
    out[place_of(args.dstStrides, args.shape, args.ndim, args.dstOffset, i)] = cast<U, T>::from(v);
  }
}

// Start and step are doubles in the places of the integers.
template <int = 0>
[[kernel]] void double_fill(
    device double* out [[buffer(0)]], constant FillArgs& args [[buffer(1)]],
    uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    double start, step;
    std::memcpy(&start, &args.startInt, sizeof start);
    std::memcpy(&step, &args.stepInt, sizeof step);
    out[i] = step == 0 ? start : start + double(i) * step;
  }
}

template <int = 0>
[[kernel]] void double_unary(
    device const double* x [[buffer(0)]], device double* out [[buffer(1)]], constant UnaryArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) out[i] = unary(args.op, x[place_of(args.strides, args.shape, args.ndim, args.offset, i)]);
}

template <int = 0>
[[kernel]] void double_predicate(
    device const double* x [[buffer(0)]], device bool* out [[buffer(1)]], constant UnaryArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) out[i] = predicate(args.op, x[place_of(args.strides, args.shape, args.ndim, args.offset, i)]);
}

template <int = 0>
[[kernel]] void double_binary(
    device const double* a [[buffer(0)]], device const double* b [[buffer(1)]], device double* out [[buffer(2)]],
    constant BinaryArgs& args [[buffer(3)]], uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size)
    out[i] = binary(args.op, a[place_of(args.aStrides, args.shape, args.ndim, args.aOffset, i)],
                    b[place_of(args.bStrides, args.shape, args.ndim, args.bOffset, i)]);
}

template <int = 0>
[[kernel]] void double_compare(
    device const double* a [[buffer(0)]], device const double* b [[buffer(1)]], device bool* out [[buffer(2)]],
    constant BinaryArgs& args [[buffer(3)]], uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size)
    out[i] = compare(args.op, a[place_of(args.aStrides, args.shape, args.ndim, args.aOffset, i)],
                     b[place_of(args.bStrides, args.shape, args.ndim, args.bOffset, i)]);
}

template <int = 0>
[[kernel]] void double_where(
    device const bool* a [[buffer(0)]], device const double* b [[buffer(1)]], device const double* c [[buffer(2)]],
    device double* out [[buffer(3)]], constant BinaryArgs& args [[buffer(4)]],
    uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    bool first = a[place_of(args.aStrides, args.shape, args.ndim, args.aOffset, i)];
    out[i] = first ? b[place_of(args.bStrides, args.shape, args.ndim, args.bOffset, i)]
                   : c[place_of(args.cStrides, args.shape, args.ndim, args.cOffset, i)];
  }
}

// gemm: out[i] = alpha * sum over k < op of a[i's row, k] * b[k, i's column]; the
// strides along k are the first two of the third operand, alpha is a double in
// the place of its offset.
template <int = 0>
[[kernel]] void double_gemm(
    device const double* a [[buffer(0)]], device const double* b [[buffer(1)]], device double* out [[buffer(2)]],
    constant BinaryArgs& args [[buffer(3)]], uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.size) {
    int64_t p = place_of(args.aStrides, args.shape, args.ndim, args.aOffset, i);
    int64_t q = place_of(args.bStrides, args.shape, args.ndim, args.bOffset, i);
    double sum = 0;
    for (uint32_t k = 0; k < args.op; k++) sum += a[p + k * args.cStrides[0]] * b[q + k * args.cStrides[1]];
    double alpha;
    std::memcpy(&alpha, &args.cOffset, sizeof alpha);
    out[i] = alpha * sum;
  }
}

template <int = 0>
[[kernel]] void double_reduce(
    device const double* x [[buffer(0)]], device double* out [[buffer(1)]], constant ReduceArgs& args [[buffer(2)]],
    uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t r = at.x + uint64_t(grid.x) * at.y;
  if (r >= args.outer * args.chunks * args.inner) return;
  uint64_t i = r % args.inner, c = r / args.inner % args.chunks, o = r / args.inner / args.chunks;
  uint64_t begin = c * args.chunk, end = begin + args.chunk < args.reduce ? begin + args.chunk : args.reduce;
  double v = start_of(args.op);
  for (uint64_t k = begin; k < end; k++) v = join(args.op, v, x[(o * args.reduce + k) * args.inner + i]);
  out[r] = v;
}

template <typename I>
[[kernel]] void double_gather(
    device const double* table [[buffer(0)]], device const I* ids [[buffer(1)]], device double* out [[buffer(2)]],
    constant GatherArgs& args [[buffer(3)]], uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i < args.rows * args.width) out[i] = table[row_of<I>(ids[i / args.width], args.table) * args.width + i % args.width];
}

template <typename I>
[[kernel]] void double_scatter_add(
    device const I* ids [[buffer(0)]], device const double* x [[buffer(1)]], device double* out [[buffer(2)]],
    constant GatherArgs& args [[buffer(3)]], uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t i = at.x + uint64_t(grid.x) * at.y;
  if (i >= uint64_t(args.table) * args.width) return;
  double sum = 0;
  for (uint64_t r = 0; r < args.rows; r++)
    if (row_of<I>(ids[r], args.table) == i / args.width) sum += x[r * args.width + i % args.width];
  out[i] = sum;
}

template <typename I>
[[kernel]] void double_gather_axis(
    device const double* x [[buffer(0)]], device const I* idx [[buffer(1)]], device double* out [[buffer(2)]],
    constant GatherAxisArgs& args [[buffer(3)]], uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t j = at.x + uint64_t(grid.x) * at.y;
  if (j < args.outer * args.count * args.inner)
    out[j] = x[(j / args.inner / args.count * args.axis + row_of<I>(idx[j], int64_t(args.axis))) * args.inner + j % args.inner];
}

template <typename I>
[[kernel]] void double_scatter_axis(
    device const I* idx [[buffer(0)]], device const double* x [[buffer(1)]], device double* out [[buffer(2)]],
    constant GatherAxisArgs& args [[buffer(3)]], uint3 at [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  uint64_t line = at.x + uint64_t(grid.x) * at.y;
  if (line >= args.outer * args.inner) return;
  uint64_t i = line % args.inner, o = line / args.inner;
  for (uint64_t k = 0; k < args.count; k++) {
    uint64_t j = (o * args.count + k) * args.inner + i;
    uint64_t t = (o * args.axis + row_of<I>(idx[j], int64_t(args.axis))) * args.inner + i;
    out[t] = args.add ? out[t] + x[j] : x[j];
  }
}

#define both_ways(n, T)                                          \
  instantiate_kernel("copy_" #n "_f64", double_copy, T, double)  \
  instantiate_kernel("copy_f64_" #n, double_copy, double, T)
both_ways(bool, bool)
both_ways(u8, uint8_t)
both_ways(u16, uint16_t)
both_ways(u32, uint32_t)
both_ways(u64, uint64_t)
both_ways(i8, int8_t)
both_ways(i16, int16_t)
both_ways(i32, int32_t)
both_ways(i64, int64_t)
both_ways(f16, half)
both_ways(bf16, bfloat)
both_ways(f32, float)
instantiate_kernel("copy_f64_f64", double_copy, double, double)
instantiate_kernel("complex_copy_c64_f64", double_copy, float2, double)
instantiate_kernel("complex_copy_f64_c64", double_copy, double, float2)
instantiate_kernel("fill_f64", double_fill, 0)
instantiate_kernel("unary_f64", double_unary, 0)
instantiate_kernel("unary_predicate_f64", double_predicate, 0)
instantiate_kernel("binary_f64", double_binary, 0)
instantiate_kernel("binary_compare_f64", double_compare, 0)
instantiate_kernel("ternary_where_f64", double_where, 0)
instantiate_kernel("gemm_f64", double_gemm, 0)
instantiate_kernel("reduce_f64", double_reduce, 0)
#define lookups(n, I)                                                     \
  instantiate_kernel("gather_" #n "_f64", double_gather, I)               \
  instantiate_kernel("gather_scatter_add_" #n "_f64", double_scatter_add, I) \
  instantiate_kernel("gather_axis_" #n "_f64", double_gather_axis, I)     \
  instantiate_kernel("gather_scatter_axis_" #n "_f64", double_scatter_axis, I)
lookups(i32, int)
lookups(u32, uint)
