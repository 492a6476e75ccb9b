// Native elementwise kernels of floats: unary, binary, and the chain
// interpreter. All of them run steps over blocks of float registers that stay
// in the first-level cache. A step is one function for every kernel, so that a
// chain has the bits of the kernels that it replaces.
#ifndef FT_ISA
#include "native_rows.h"

#include "../../kernels/unary.h"
#include "../../kernels/binary.h"
#include "../../kernels/chain.h"
#include "native_scalar.h"

namespace {
constexpr int64_t block = 512;  // elements of a register
}

#define FT_SOURCE "native_elementwise.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
namespace ft {
namespace FT_ISA {
namespace {

// Step is one function over a block; the result may lie over an operand.
typedef void (*Step)(const float* a, const float* b, float* r, int64_t n);

template <class F, class T> void step1(const float* a, const float*, float* r, int64_t n) {
  each(n, [&](int64_t i, auto k) { store(r + i, rounded(F::at(load(a + i, k)), T{}), k); });
}

template <class F, class T> void step2(const float* a, const float* b, float* r, int64_t n) {
  each(n, [&](int64_t i, auto k) { store(r + i, rounded(F::at(load(a + i, k), load(b + i, k)), T{}), k); });
}

#define FT_UNARY(Name, expr) \
  struct Name { FT_OP vf at(vf x) { return expr; } };
#define FT_BINARY(Name, expr) \
  struct Name { FT_OP vf at(vf a, vf b) { return expr; } };

// far is the sine or cosine of the lanes that sincos does not take.
FT_OP vf far(vf x, vf r, float (*f)(float)) {
  vi is_near = abs(x) < 0x1p20f;
  if (!any(~is_near)) return r;
  for (int i = 0; i < lanes; i++)
    if (!is_near[i]) r[i] = f(x[i]);
  return r;
}
float sine1(float x) { return __builtin_sinf(x); }
float cosine1(float x) { return __builtin_cosf(x); }
FT_OP vf sine(vf x) {
  vf s, c;
  sincos(x, &s, &c);
  return far(x, s, sine1);
}
FT_OP vf cosine(vf x) {
  vf s, c;
  sincos(x, &s, &c);
  return far(x, c, cosine1);
}

FT_UNARY(Cast, x)
FT_UNARY(Abs, abs(x))
FT_UNARY(Negative, -x)
FT_UNARY(Sign, (x > 0.0f ? splat(1.0f) : vf{}) - (x < 0.0f ? splat(1.0f) : vf{}))
FT_UNARY(Square, x* x)
FT_UNARY(Sqrt, sqrt(x))
FT_UNARY(Rsqrt, 1.0f / sqrt(x))
FT_UNARY(Reciprocal, 1.0f / x)
FT_UNARY(Exp, exp(x))
FT_UNARY(Log, log(x))
FT_UNARY(Sigmoid, sigmoid(x))
FT_UNARY(Erf, erf(x))
FT_UNARY(Sin, sine(x))
FT_UNARY(Cos, cosine(x))
FT_UNARY(Tanh, tanh(x))
FT_UNARY(Floor, floor(x))
FT_UNARY(Ceil, ceil(x))
FT_UNARY(Round, rint(x))
FT_BINARY(Add, a + b)
FT_BINARY(Subtract, a - b)
FT_BINARY(Multiply, a* b)
FT_BINARY(Divide, a / b)
FT_BINARY(FloorDivide, floor(a / b))
FT_BINARY(Maximum, a != a ? a : max(a, b))
FT_BINARY(Minimum, a != a ? a : min(a, b))

// step_of is the vector form of a chain code, null if there is none.
template <class T> Step step_of(uint32_t code) {
  switch (code) {
    case CHAIN_CAST: return step1<Cast, T>;
    case UNARY_ABS: return step1<Abs, T>;
    case UNARY_NEGATIVE: return step1<Negative, T>;
    case UNARY_SIGN: return step1<Sign, T>;
    case UNARY_SQUARE: return step1<Square, T>;
    case UNARY_SQRT: return step1<Sqrt, T>;
    case UNARY_RSQRT: return step1<Rsqrt, T>;
    case UNARY_RECIPROCAL: return step1<Reciprocal, T>;
    case UNARY_EXP: return step1<Exp, T>;
    case UNARY_LOG: return step1<Log, T>;
    case UNARY_SIGMOID: return step1<Sigmoid, T>;
    case UNARY_ERF: return step1<Erf, T>;
    case UNARY_SIN: return step1<Sin, T>;
    case UNARY_COS: return step1<Cos, T>;
    case UNARY_TANH: return step1<Tanh, T>;
    case UNARY_FLOOR: return step1<Floor, T>;
    case UNARY_CEIL: return step1<Ceil, T>;
    case UNARY_ROUND: return step1<Round, T>;
    case CHAIN_BINARY + BINARY_ADD: return step2<Add, T>;
    case CHAIN_BINARY + BINARY_SUBTRACT: return step2<Subtract, T>;
    case CHAIN_BINARY + BINARY_MULTIPLY: return step2<Multiply, T>;
    case CHAIN_BINARY + BINARY_DIVIDE: return step2<Divide, T>;
    case CHAIN_BINARY + BINARY_FLOOR_DIVIDE: return step2<FloorDivide, T>;
    case CHAIN_BINARY + BINARY_MAXIMUM: return step2<Maximum, T>;
    case CHAIN_BINARY + BINARY_MINIMUM: return step2<Minimum, T>;
    default: return nullptr;
  }
}

// Op is a step with its rounding: a vector function, or a scalar one that is
// rounded afterwards.
struct Op {
  Step step;
  Step round;
  uint32_t code;
  void run(const float* a, const float* b, float* r, int64_t n) const {
    if (step) {
      step(a, b, r, n);
      return;
    }
    if (code >= CHAIN_BINARY) scalar_binary(code - CHAIN_BINARY, a, b, r, n);
    else scalar_unary(code, a, r, n);
    if (round) round(r, r, r, n);
  }
};

Op op_of(uint32_t code, uint32_t type) {
  switch (type) {
    case CHAIN_F16: return Op{step_of<f16>(code), step1<Cast, f16>, code};
    case CHAIN_BF16: return Op{step_of<bf16>(code), step1<Cast, bf16>, code};
    default: return Op{step_of<float>(code), nullptr, code};
  }
}

template <class T> void widen(const T* x, float* r, int64_t n) {
  each(n, [&](int64_t i, auto k) { store(r + i, load(x + i, k), k); });
}
template <class T> void narrow(const float* x, T* r, int64_t n) {
  each(n, [&](int64_t i, auto k) { put(r + i, load(x + i, k), k); });
}

// fetch is n elements of x from index at on, as floats: where they lie, or in
// buf.
const float* fetch(const void* x, uint32_t type, int64_t at, float* buf, int64_t n) {
  switch (type) {
    case CHAIN_F16: widen(static_cast<const f16*>(x) + at, buf, n); return buf;
    case CHAIN_BF16: widen(static_cast<const bf16*>(x) + at, buf, n); return buf;
    default: return static_cast<const float*>(x) + at;
  }
}

// keep_block writes n elements of a result that was rounded to the type.
void keep_block(void* out, uint32_t type, int64_t at, const float* x, int64_t n) {
  switch (type) {
    case CHAIN_F16: narrow(x, static_cast<f16*>(out) + at, n); break;
    case CHAIN_BF16: narrow(x, static_cast<bf16*>(out) + at, n); break;
    default: break; // it was computed where it belongs
  }
}

void fill(float* r, float v, int64_t n) {
  for (int64_t i = 0; i < n; i++) r[i] = v;
}

// fetch_row is fetch of an operand whose elements repeat after size.
const float* fetch_row(const void* x, uint32_t type, int64_t size, int64_t at, float* buf, int64_t n) {
  int64_t from = at % size;
  if (from + n <= size) return fetch(x, type, from, buf, n);
  for (int64_t done = 0; done < n; from = 0) {
    int64_t k = smaller(size - from, n - done);
    const float* p = fetch(x, type, from, buf + done, k);
    if (p != buf + done) memcpy(buf + done, p, size_t(k) * sizeof(float));
    done += k;
  }
  return buf;
}

template <uint32_t type> void chain(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const ChainArgs& args = *static_cast<const ChainArgs*>(l->args);
  const Elements all = elements_of(args, begin, end);
  void* out = l->bufs[CHAIN_INPUTS];
  float* buf = static_cast<float*>(ft_scratch(w, CHAIN_REGISTERS * block * sizeof(float)));
  const float* reg[CHAIN_REGISTERS];
  Op ops[CHAIN_STEPS];
  for (uint32_t s = 0; s < args.steps; s++) ops[s] = op_of(args.code[s], args.round[s]);
  // What is stored is rounded twice where the last step has another type.
  const bool twice = type != CHAIN_F32 && type != args.round[args.steps - 1];
  const Op last = op_of(CHAIN_CAST, type);
  for (uint32_t k = 0; k < args.inputs; k++) {
    if (args.inMode[k] != CHAIN_SCALAR) continue;
    float v = *fetch(l->bufs[k], args.inType[k], 0, buf + k * block, 1);
    fill(buf + k * block, v, block);
    reg[k] = buf + k * block;
  }
  for (int64_t at = all.from; at < all.to; at += block) {
    const int64_t n = smaller(all.to - at, block);
    for (uint32_t k = 0; k < args.inputs; k++) {
      if (args.inMode[k] == CHAIN_FULL) reg[k] = fetch(l->bufs[k], args.inType[k], at, buf + k * block, n);
      if (args.inMode[k] == CHAIN_ROW) reg[k] = fetch_row(l->bufs[k], args.inType[k], args.inSize[k], at, buf + k * block, n);
    }
    for (uint32_t s = 0; s < args.steps; s++) {
      uint32_t k = args.inputs + s;
      float* r = buf + k * block;
      if (s + 1 == args.steps && type == CHAIN_F32) r = static_cast<float*>(out) + at;
      ops[s].run(reg[args.a[s]], reg[args.b[s]], r, n);
      reg[k] = r;
    }
    float* result = buf + (args.inputs + args.steps - 1) * block;
    if (twice) last.run(result, result, result, n);
    keep_block(out, type, at, result, n);
  }
}

// fetch_strided is n elements of x, step apart.
const float* fetch_strided(const void* x, uint32_t type, int64_t at, int64_t step, float* buf, int64_t n) {
  if (step == 1) return fetch(x, type, at, buf, n);
  if (step == 0) {
    fill(buf, *fetch(x, type, at, buf, 1), n);
    return buf;
  }
  for (int64_t i = 0; i < n; i++) buf[i] = *fetch(x, type, at + i * step, buf + i, 1);
  return buf;
}

// run_rows applies an op to elements of a strided index space, a piece of a row
// at a time.
template <class Args, class Fetch>
void run_rows(const Args& args, const Op& op, uint32_t type, void* out, Elements all, float* buf, Fetch fetch_at) {
  const int64_t inner = args.shape[args.ndim - 1];
  for (int64_t at = all.from; at < all.to;) {
    const int64_t row = at / inner, col = at % inner, n = smaller(smaller(inner - col, all.to - at), block);
    const float *a, *b;
    fetch_at(row, col, n, &a, &b);
    float* r = type == CHAIN_F32 ? static_cast<float*>(out) + at : buf;
    op.run(a, b, r, n);
    keep_block(out, type, at, r, n);
    at += n;
  }
}

template <uint32_t type> void unary(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const UnaryArgs& args = *static_cast<const UnaryArgs*>(l->args);
  const int last = int(args.ndim) - 1;
  const int64_t step = args.strides[last];
  float* buf = static_cast<float*>(ft_scratch(w, 2 * block * sizeof(float)));
  auto fetch_at = [&](int64_t row, int64_t col, int64_t n, const float** a, const float** b) {
    int64_t at = args.offset + place(args.strides, args.shape, last, row) + col * step;
    *a = *b = fetch_strided(l->bufs[0], type, at, step, buf + block, n);
  };
  run_rows(args, op_of(args.op, type), type, l->bufs[1], elements_of(args, begin, end), buf, fetch_at);
}

template <uint32_t type> void binary(const ft_launch* l, int64_t begin, int64_t end, ft_worker* w) {
  const BinaryArgs& args = *static_cast<const BinaryArgs*>(l->args);
  const int last = int(args.ndim) - 1;
  float* buf = static_cast<float*>(ft_scratch(w, 3 * block * sizeof(float)));
  auto fetch_at = [&](int64_t row, int64_t col, int64_t n, const float** a, const float** b) {
    int64_t pa = args.aOffset + place(args.aStrides, args.shape, last, row) + col * args.aStrides[last];
    int64_t pb = args.bOffset + place(args.bStrides, args.shape, last, row) + col * args.bStrides[last];
    *a = fetch_strided(l->bufs[0], type, pa, args.aStrides[last], buf + block, n);
    *b = fetch_strided(l->bufs[1], type, pb, args.bStrides[last], buf + 2 * block, n);
  };
  run_rows(args, op_of(CHAIN_BINARY + args.op, type), type, l->bufs[2], elements_of(args, begin, end), buf, fetch_at);
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

FT_RUNNER(chain_f32, chain<CHAIN_F32>)
FT_RUNNER(chain_f16, chain<CHAIN_F16>)
FT_RUNNER(chain_bf16, chain<CHAIN_BF16>)
FT_RUNNER(unary_f32, unary<CHAIN_F32>)
FT_RUNNER(unary_f16, unary<CHAIN_F16>)
FT_RUNNER(unary_bf16, unary<CHAIN_BF16>)
FT_RUNNER(binary_f32, binary<CHAIN_F32>)
FT_RUNNER(binary_f16, binary<CHAIN_F16>)
FT_RUNNER(binary_bf16, binary<CHAIN_BF16>)

FT_NATIVE("chain_f32", ft::element_pieces<ChainArgs>, chain_f32);
FT_NATIVE("chain_f16", ft::element_pieces<ChainArgs>, chain_f16);
FT_NATIVE("chain_bf16", ft::element_pieces<ChainArgs>, chain_bf16);
FT_NATIVE("unary_f32", ft::element_pieces<UnaryArgs>, unary_f32);
FT_NATIVE("unary_f16", ft::element_pieces<UnaryArgs>, unary_f16);
FT_NATIVE("unary_bf16", ft::element_pieces<UnaryArgs>, unary_bf16);
FT_NATIVE("binary_f32", ft::element_pieces<BinaryArgs>, binary_f32);
FT_NATIVE("binary_f16", ft::element_pieces<BinaryArgs>, binary_f16);
FT_NATIVE("binary_bf16", ft::element_pieces<BinaryArgs>, binary_bf16);

#endif
