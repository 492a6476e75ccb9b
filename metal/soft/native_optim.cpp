// Native optimizers: kernels/optim.metal over flat arrays. They read and write
// each array once, so that memory sets their speed.
#ifndef FT_ISA
#include "native_rows.h"

#include "../../kernels/optim.h"

#define FT_SOURCE "native_optim.cpp"
#include "native_isa.h"
#endif

#ifdef FT_ISA
namespace ft {
namespace FT_ISA {
namespace {

// adamw_range updates the elements [from, to), all of which have the same decay.
template <class G> void adamw_range(const ft_launch* l, int64_t from, int64_t to, float decay) {
  const AdamWArgs& args = *static_cast<const AdamWArgs*>(l->args);
  const float* hyper = static_cast<const float*>(l->bufs[4]);
  const G* g = static_cast<const G*>(l->bufs[0]) + from;
  const float* p = static_cast<const float*>(l->bufs[1]) + from;
  const float* m = static_cast<const float*>(l->bufs[2]) + from;
  const float* v = static_cast<const float*>(l->bufs[3]) + from;
  float* p_out = static_cast<float*>(l->bufs[5]) + from;
  float* m_out = static_cast<float*>(l->bufs[6]) + from;
  float* v_out = static_cast<float*>(l->bufs[7]) + from;
  const float grad_scale = hyper[HYPER_GRAD_SCALE], step = hyper[HYPER_STEP_SIZE], v_scale = hyper[HYPER_V_SCALE];
  const float b1 = args.beta1, b2 = args.beta2, c1 = args.gain1, c2 = args.gain2, eps = args.eps;
  each(to - from, [&](int64_t i, auto k) {
    vf d = load(g + i, k) * grad_scale;
    vf m1 = b1 * load(m + i, k) + c1 * d;
    vf v1 = b2 * load(v + i, k) + c2 * (d * d);
    vf x = load(p + i, k) * decay - step * m1 / (sqrt(v1) * v_scale + eps);
    store(p_out + i, x, k);
    store(m_out + i, m1, k);
    store(v_out + i, v1, k);
  });
}

template <class G> void adamw(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const AdamWArgs& args = *static_cast<const AdamWArgs*>(l->args);
  const float decay = 1.0f - static_cast<const float*>(l->bufs[4])[HYPER_LR] * args.weightDecay;
  const Elements all = elements_of(args, begin, end);
  const int64_t split = smaller(larger(int64_t(args.decayCount), all.from), all.to);
  adamw_range<G>(l, all.from, split, decay);
  adamw_range<G>(l, split, all.to, 1.0f);
}

template <class G> void sgd(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const SGDArgs& args = *static_cast<const SGDArgs*>(l->args);
  const float* hyper = static_cast<const float*>(l->bufs[3]);
  const auto [from, to] = elements_of(args, begin, end);
  const G* g = static_cast<const G*>(l->bufs[0]) + from;
  const float* p = static_cast<const float*>(l->bufs[1]) + from;
  const float* v = static_cast<const float*>(l->bufs[2]) + from;
  float* p_out = static_cast<float*>(l->bufs[4]) + from;
  float* v_out = static_cast<float*>(l->bufs[5]) + from;
  const float lr = hyper[HYPER_LR], grad_scale = hyper[HYPER_GRAD_SCALE], damp = 1.0f - args.dampening;
  each(to - from, [&](int64_t i, auto k) {
    vf x = load(p + i, k);
    vf d = load(g + i, k) * grad_scale + args.weightDecay * x;
    vf v1 = args.first ? d : args.momentum * load(v + i, k) + damp * d;
    vf u = args.nesterov ? d + args.momentum * v1 : v1;
    store(p_out + i, x - lr * u, k);
    store(v_out + i, v1, k);
  });
}

// The unit of sum_squares is the part that the launch defines.
template <class T> void sum_squares(const ft_launch* l, int64_t begin, int64_t end, ft_worker*) {
  const SumSquaresArgs& args = *static_cast<const SumSquaresArgs*>(l->args);
  const int64_t size = int64_t(args.size), chunk = int64_t(args.chunk);
  for (int64_t c = begin; c < end; c++) {
    const T* x = static_cast<const T*>(l->bufs[0]) + c * chunk;
    static_cast<float*>(l->bufs[1])[c] = total(smaller(size - c * chunk, chunk), [&](int64_t i, auto k) {
      vf v = load(x + i, k);
      return v * v;
    });
  }
}

}  // namespace
}  // namespace FT_ISA
}  // namespace ft

#else

static int64_t chunks(const ft_launch* l) {
  const SumSquaresArgs& args = *static_cast<const SumSquaresArgs*>(l->args);
  return ft::ceil_div(int64_t(args.size), int64_t(args.chunk));
}

FT_NATIVE_FLOATS(optim_adamw, ft::element_pieces<AdamWArgs>, adamw);
FT_NATIVE_FLOATS(optim_sgd, ft::element_pieces<SGDArgs>, sgd);
FT_NATIVE_FLOATS(optim_sum_squares, chunks, sum_squares);

#endif
