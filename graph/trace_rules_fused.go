package graph

import (
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// all is the outputs of the node that computes a, which has to be of op's type.
func all[T Op](r *redone, name string, a *Array) []*Array {
	if a.node != nil {
		if _, ok := a.node.op.(T); ok {
			return a.node.out
		}
	}
	r.want(false, name, "it is computed in another way for %v", r.in)
	return nil
}

func fusedRules() {
	redoable("RMSNorm", func(op rmsNorm, r *redone) []*Array {
		r.count("RMSNorm", 1, 2)
		return []*Array{RMSNorm(r.in[0], r.operand(1), float64(op.eps))}
	})
	one("LayerNorm", 3, func(op layerNorm, r *redone, in []*Array) *Array {
		return LayerNorm(in[0], in[1], in[2], float64(op.eps))
	})
	redoable("RoPE", func(op rope, r *redone) []*Array {
		opt, n := op.opt, 1
		opt.Positions, opt.Freqs = nil, nil
		r.count("RoPE", 1, 3)
		if op.hasPos {
			opt.Positions, n = r.operand(n), n+1
		}
		if op.hasFreq {
			opt.Freqs, n = r.operand(n), n+1
		}
		r.count("RoPE", n, n)
		y := RoPE(r.in[0], opt)
		if !op.inverse {
			return []*Array{y}
		}
		turned := y.node.op.(rope)
		turned.inverse = true
		return []*Array{apply1(turned, y.shape, y.dtype, y.node.in...)}
	})
	redoable("SDPA", func(op sdpa, r *redone) []*Array {
		y, n := op.forward(r)
		r.count("SDPA", n, n)
		return all[sdpa](r, "SDPA", y)
	})
	one("ScaleRows", 2, func(op scaleRows, r *redone, in []*Array) *Array {
		x, s := in[0], in[1]
		r.want(len(x.shape) == 2 && x.dtype.IsFloat() && typeOf(s).equal(typed{metal.Float32, x.shape[:1]}), "ScaleRows", "%v by %v", x, s)
		return apply1(op, x.shape, x.dtype, x, s)
	})
	redoable("LinearCrossEntropy", func(op linearCrossEntropy, r *redone) []*Array {
		r.count("LinearCrossEntropy", 3, 3)
		return all[linearCrossEntropy](r, "LinearCrossEntropy", LinearCrossEntropy(r.in[0], r.in[1], r.in[2]))
	})
	redoable("CrossEntropy", func(op crossEntropy, r *redone) []*Array {
		r.count("CrossEntropy", 2, 2)
		r.want(len(r.in[0].shape) == 2, "CrossEntropy", "logits are %v", r.in[0])
		return all[crossEntropy](r, "CrossEntropy", CrossEntropy(r.in[0], r.in[1]))
	})
}

// forward is attention over the first operands, and how many those are.
func (op sdpa) forward(r *redone) (y *Array, n int) {
	r.count("SDPA", 3, 8)
	opt, n := SDPAOptions{Scale: float64(op.scale), Causal: op.causal}, 3
	if op.segment {
		opt.Segments, n = r.operand(n), n+1
	}
	if op.keys {
		r.want(op.segment, "SDPA", "segments of keys alone")
		opt.KeySegments, n = r.operand(n), n+1
	}
	r.count("SDPA", n, 8)
	return ScaledDotProductAttention(r.in[0], r.in[1], r.in[2], opt), n
}

func fusedGradientRules() {
	redoable("RMSNormVJP", func(op rmsNormVJP, r *redone) []*Array {
		const name = "RMSNormVJP"
		n := 2
		if op.weighted {
			n = 3
		}
		r.count(name, n, n)
		x, g := r.in[0], r.in[n-1]
		outs := []*Array{typeOf(x).array()}
		r.want(len(x.shape) > 0 && x.dtype.IsFloat() && typeOf(g).equal(typeOf(x)), name, "x is %v and its cotangent %v", x, g)
		if op.weighted {
			w := typed{x.dtype, x.shape[len(x.shape)-1:]}
			r.want(typeOf(r.in[1]).equal(w), name, "w is %v for %v", r.in[1], x)
			if len(r.out) > 1 {
				outs = append(outs, w.array())
			}
		}
		return apply(op, r.in, outs...)
	})
	redoable("LayerNormVJP", func(op layerNormVJP, r *redone) []*Array {
		const name = "LayerNormVJP"
		r.count(name, 4, 4)
		x := r.in[0]
		r.want(len(x.shape) > 0 && x.dtype.IsFloat() && typeOf(r.in[3]).equal(typeOf(x)), name, "x is %v and its cotangent %v", x, r.in[3])
		w := typed{x.dtype, x.shape[len(x.shape)-1:]}
		r.want(typeOf(r.in[1]).equal(w) && typeOf(r.in[2]).equal(w), name, "w is %v and b %v for %v", r.in[1], r.in[2], x)
		return apply(op, r.in, typeOf(x).array(), w.array(), w.array())
	})
	redoable("SDPAVJP", func(op sdpaVJP, r *redone) []*Array {
		const name = "SDPAVJP"
		y, n := op.sdpa.forward(r)
		fwd := all[sdpa](r, name, y)
		r.count(name, n+3, n+3)
		q := typeOf(y)
		r.want(typeOf(r.in[n]).equal(q) && typeOf(r.in[n+1]).equal(typeOf(fwd[1])) && typeOf(r.in[n+2]).equal(q), name, "saved outputs are %v for %v", r.in[n:], fwd)
		for _, a := range r.in[:3] {
			r.want(a.dtype == q.dtype, name, "operands are %v", r.in[:3])
		}
		return apply(op, r.in, typeOf(r.in[0]).array(), typeOf(r.in[1]).array(), typeOf(r.in[2]).array())
	})
	redoable("LinearCrossEntropyVJP", func(op linearCrossEntropyVJP, r *redone) []*Array {
		const name = "LinearCrossEntropyVJP"
		r.count(name, 5, 5)
		h, w := r.in[0], r.in[1]
		LinearCrossEntropy(h, w, r.in[2]) // checks the operands
		row := typed{metal.Float32, h.shape[:1]}
		r.want(typeOf(r.in[3]).equal(row) && typeOf(r.in[4]).equal(row), name, "saved sums are %v and the cotangent %v", r.in[3], r.in[4])
		return apply(op, r.in, typeOf(h).array(), typeOf(w).array())
	})
	redoable("CrossEntropyGrad", func(op crossEntropyGrad, r *redone) []*Array {
		const name = "CrossEntropyGrad"
		r.count(name, 4, 4)
		x := r.in[0]
		r.want(len(x.shape) == 2 && x.dtype.IsFloat() && typeOf(r.in[1]).equal(typed{metal.Int32, x.shape[:1]}), name, "logits are %v and targets %v", x, r.in[1])
		row := typed{metal.Float32, x.shape[:1]}
		r.want(typeOf(r.in[2]).equal(row) && typeOf(r.in[3]).equal(row), name, "saved sums are %v and the cotangent %v", r.in[2], r.in[3])
		return []*Array{apply1(op, x.shape, x.dtype, r.in...)}
	})
}

// options is the format as a caller gives it.
func options(f kernels.QuantFormat) Quantization {
	return Quantization{Mode: f.Mode, Bits: f.Bits, GroupSize: f.Group}
}

func quantRules() {
	redoable("Quantize", func(op quantize, r *redone) []*Array {
		r.count("Quantize", 1, 2)
		words, _, _ := QuantizeScaled(r.in[0], r.operand(1), options(op.QuantFormat))
		return all[quantize](r, "Quantize", words)
	})
	redoable("Dequantize", func(op dequantize, r *redone) []*Array {
		n := 2
		var biases, global *Array
		if op.Mode == QuantAffine {
			biases, n = r.operand(n), n+1
		}
		if op.global {
			global, n = r.operand(n), n+1
		}
		r.count("Dequantize", n, n)
		r.want(len(r.out) == 1, "Dequantize", "%d outputs", len(r.out))
		return []*Array{DequantizeScaled(r.in[0], r.in[1], biases, global, options(op.QuantFormat), r.out[0].dtype)}
	})
	redoable("QuantizedMatmul", func(op quantMatmul, r *redone) []*Array {
		const name = "QuantizedMatmul"
		op.QuantFormat = options(op.QuantFormat).format(name)
		n := 3
		var biases *Array
		if op.Mode == QuantAffine {
			biases, n = r.operand(n), n+1
		}
		last := n
		if op.gather {
			last += 2
		}
		r.count(name, last, last)
		in := op.operands(name, r.in[0], r.in[1], r.in[2], biases)
		r.want(len(in[0].shape) >= 2, name, "x is %v", in[0])
		op.checkInner(name, in[0], in[1])
		batch := in[0].shape[:len(in[0].shape)-2]
		for i, a := range in {
			lead := a.shape[:len(a.shape)-2]
			if op.gather {
				r.want(len(lead) == 1 && lead[0] > 0, name, "operand %d is %v", i, a)
			} else {
				r.want(slices.Equal(lead, batch), name, "operand %d is %v beside %v", i, a, in[0])
			}
		}
		if op.gather {
			r.want(slices.Equal(r.in[n].shape, r.in[n+1].shape), name, "indices are %v and %v", r.in[n], r.in[n+1])
			in = append(in, matrixIndices(name, r.in[n], in[0].shape), matrixIndices(name, r.in[n+1], in[1].shape))
		}
		return []*Array{op.apply(in...)}
	})
	one("ToFP8", 1, func(op toFP8, r *redone, in []*Array) *Array { return ToFP8(in[0]) })
	one("FromFP8", 1, func(op fromFP8, r *redone, in []*Array) *Array { return FromFP8(in[0], r.out[0].dtype) })
}
