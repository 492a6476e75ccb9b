package kernels

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// Layout of the hyper buffer that AdamW and SGD read: float32 [HyperSize].
const (
	HyperLR        = 0
	HyperGradScale = 1
	HyperStepSize  = 2
	HyperVScale    = 3
	HyperSize      = 8
)

// AdamWOptions are Adam's settings; DecayCount is how many of the first
// elements weight decay applies to.
type AdamWOptions struct {
	Beta1, Beta2, Eps, WeightDecay float64
	BiasCorrection                 bool
	DecayCount                     int
}

// Hyper fills the hyper buffer for update number count (from 1): the learning
// rate, the factor of the gradients, and Adam's bias corrections.
func Hyper(lr float64, count int, gradScale float64, opt AdamWOptions) [HyperSize]float32 {
	h := [HyperSize]float32{HyperLR: float32(lr), HyperGradScale: float32(gradScale), HyperStepSize: float32(lr), HyperVScale: 1}
	if opt.BiasCorrection {
		h[HyperStepSize] = float32(lr / (1 - math.Pow(opt.Beta1, float64(count))))
		h[HyperVScale] = float32(1 / math.Sqrt(1-math.Pow(opt.Beta2, float64(count))))
	}
	return h
}

// adamWArgs mirrors AdamWArgs of optim.h.
type adamWArgs struct {
	size, decayCount               uint64
	beta1, beta2, eps, weightDecay float32
	gain1, gain2                   float32
}

// AdamW updates p, m, v, float32, from gradients g of any float dtype, all flat
// and contiguous; hyper is float32 [HyperSize]. Outputs may be the inputs. low,
// if it has a view, receives p rounded to its dtype.
func AdamW(e Emitter, g, p, m, v, hyper, pOut, mOut, vOut, low Tensor, opt AdamWOptions) {
	n := p.Size()
	if n == 0 {
		return
	}
	args := adamWArgs{size: uint64(n), decayCount: uint64(opt.DecayCount), beta1: float32(opt.Beta1), beta2: float32(opt.Beta2), eps: float32(opt.Eps),
		weightDecay: float32(opt.WeightDecay), gain1: float32(1 - opt.Beta1), gain2: float32(1 - opt.Beta2)}
	grid, group := gridFor(n)
	e.Emit(metal.Dispatch{Kernel: name("optim_adamw", g.DType), In: []metal.View{g.View, p.View, m.View, v.View, hyper.View},
		Out: []metal.View{pOut.View, mOut.View, vOut.View}, Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: int64(12 * n),
		InPlace: []uint32{1 << 1, 1 << 2, 1 << 3}})
	if low.Bound() {
		Copy(e, pOut, low)
	}
}

// SGDOptions are the settings of stochastic gradient descent.
type SGDOptions struct {
	Momentum, Dampening, WeightDecay float64
	Nesterov                         bool
	First                            bool // the velocity has no history yet
}

// sgdArgs mirrors SGDArgs of optim.h.
type sgdArgs struct {
	size                             uint64
	momentum, dampening, weightDecay float32
	nesterov, first                  uint32
	_                                uint32
}

// SGD updates p and the velocity v, float32, from gradients g, all flat and
// contiguous. Outputs may be the inputs.
func SGD(e Emitter, g, p, v, hyper, pOut, vOut Tensor, opt SGDOptions) {
	n := p.Size()
	if n == 0 {
		return
	}
	args := sgdArgs{size: uint64(n), momentum: float32(opt.Momentum), dampening: float32(opt.Dampening), weightDecay: float32(opt.WeightDecay),
		nesterov: flag(opt.Nesterov), first: flag(opt.First)}
	grid, group := gridFor(n)
	e.Emit(metal.Dispatch{Kernel: name("optim_sgd", g.DType), In: []metal.View{g.View, p.View, v.View, hyper.View}, Out: []metal.View{pOut.View, vOut.View},
		Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: int64(6 * n), InPlace: []uint32{1 << 1, 1 << 2}})
}

// sumSquaresChunk is how many elements one simdgroup adds.
const sumSquaresChunk = 2048

// sumSquaresArgs mirrors SumSquaresArgs of optim.h.
type sumSquaresArgs struct{ size, chunk uint64 }

// SumSquares is Σ x² of a contiguous float array, as float32 [1], added in an
// order that depends on the size alone.
func SumSquares(e Emitter, x, out Tensor) {
	n := x.Size()
	if n == 0 {
		Fill(e, out, 0)
		return
	}
	chunks := ceilDiv(n, sumSquaresChunk)
	part := Scratch(e, metal.Float32, chunks)
	args := sumSquaresArgs{uint64(n), sumSquaresChunk}
	e.Emit(metal.Dispatch{Kernel: name("optim_sum_squares", x.DType), In: []metal.View{x.View}, Out: []metal.View{part.View}, Args: bytesOf(&args),
		Grid: metal.Size{X: 32 * chunks, Y: 1, Z: 1}, Group: metal.Size{X: 32, Y: 1, Z: 1}, FLOPs: int64(2 * n)})
	Reduce(e, Sum, part, out, []int{0})
}

// clipArgs mirrors ClipArgs of optim.h.
type clipArgs struct{ maxNorm float32 }

// ClipScale writes norm = √sq and scale = min(maxNorm/(norm+1e-6), 1), each
// float32 [1].
func ClipScale(e Emitter, sq Tensor, maxNorm float32, scale, norm Tensor) {
	args := clipArgs{maxNorm}
	one := metal.Size{X: 1, Y: 1, Z: 1}
	e.Emit(metal.Dispatch{Kernel: "optim_clip_scale_f32", In: []metal.View{sq.View}, Out: []metal.View{scale.View, norm.View}, Args: bytesOf(&args), Grid: one, Group: one, FLOPs: 4})
}
