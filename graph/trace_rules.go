package graph

import (
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// The rules of applying recorded ops again. What a rule takes from the record is
// as little to be trusted as the caller's arguments: a shape that does not fit
// would have a kernel read or write outside its arrays.

func init() {
	elementwiseRules()
	shapeRules()
	indexRules()
	foldRules()
	productRules()
	fusedRules()
	fusedGradientRules()
	quantRules()
}

// one is the rule of an op with a fixed number of operands and one output.
func one[T Op](name string, operands int, fn func(op T, r *redone, in []*Array) *Array) {
	redoable(name, func(op T, r *redone) []*Array {
		r.count(name, operands, operands)
		r.want(len(r.out) == 1, name, "%d outputs", len(r.out))
		return []*Array{fn(op, r, r.in)}
	})
}

func elementwiseRules() {
	predicates := []kernels.UnaryOp{kernels.IsNaN, kernels.IsInf, kernels.IsFinite, kernels.IsPosInf, kernels.IsNegInf, kernels.LogicalNot}
	parts := []kernels.UnaryOp{kernels.Real, kernels.Imag, kernels.Conjugate}
	one("Unary", 1, func(op unary, r *redone, in []*Array) *Array {
		r.want(slices.Contains(kernels.UnaryOps(), op.op) || slices.Contains(parts, op.op), "Unary", "%q", op.op)
		op.rule = keepDType
		if slices.Contains(predicates, op.op) {
			op.rule = toBool
		}
		return op.apply(in[0])
	})
	truths := []kernels.BinaryOp{kernels.Equal, kernels.NotEqual, kernels.Less, kernels.LessEqual, kernels.Greater, kernels.GreaterEqual, kernels.LogicalAnd, kernels.LogicalOr}
	one("Binary", 2, func(op binary, r *redone, in []*Array) *Array {
		r.want(slices.Contains(kernels.BinaryOps(), op.op), "Binary", "%q", op.op)
		op.rule = keepDType
		if slices.Contains(truths, op.op) {
			op.rule = toBool
		}
		return op.apply(in[0], in[1])
	})
	one("Where", 3, func(op where, r *redone, in []*Array) *Array { return Where(in[0], in[1], in[2]) })
	one("AsType", 1, func(op asType, r *redone, in []*Array) *Array { return AsType(in[0], r.out[0].dtype) })
	one("Contiguous", 1, func(op contiguous, r *redone, in []*Array) *Array { return Contiguous(in[0]) })
	one("StopGradient", 1, func(op stopGradient, r *redone, in []*Array) *Array { return StopGradient(in[0]) })
	one("Complex", 2, func(op complexOf, r *redone, in []*Array) *Array { return Complex(in[0], in[1]) })
	one("RandomBits", 1, func(op randomBits, r *redone, in []*Array) *Array { return RandomBits(r.out[0].shape, in[0]) })
	one("Arange", 0, func(op arange, r *redone, in []*Array) *Array {
		t := r.out[0]
		r.want(len(t.shape) == 1, "Arange", "output is %v", t)
		return apply1(op, t.shape, t.dtype)
	})
	redoable("SigmoidOf", func(op sigmoidOf, r *redone) []*Array { return r.alike(op, "SigmoidOf", 2) })
	redoable("SoftmaxOf", func(op softmaxOf, r *redone) []*Array { return r.alike(op, "SoftmaxOf", 2) })
}

func shapeRules() {
	one("Reshape", 1, func(op reshape, r *redone, in []*Array) *Array { return Reshape(in[0], r.out[0].shape...) })
	one("BroadcastTo", 1, func(op broadcastTo, r *redone, in []*Array) *Array { return BroadcastTo(in[0], r.out[0].shape) })
	one("View", 1, func(op view, r *redone, in []*Array) *Array { return View(in[0], op.dt) })
	one("Transpose", 1, func(op transpose, r *redone, in []*Array) *Array {
		r.want(len(op.axes) == len(in[0].shape), "Transpose", "axes %v of %v", op.axes, in[0])
		return Transpose(in[0], op.axes...)
	})
	one("Slice", 1, func(op slice, r *redone, in []*Array) *Array { return op.again(r, in[0], r.out[0].shape) })
	one("SliceGrad", 1, func(op sliceGrad, r *redone, in []*Array) *Array {
		t := r.out[0]
		r.want(shapeFault(t.shape, t.dtype) == "", "SliceGrad", "output is %v", t)
		window := op.slice.again(r, t.array(), in[0].shape)
		r.want(slices.Equal(window.shape, in[0].shape), "SliceGrad", "a window of %v in %v", in[0], t)
		return apply1(op, t.shape, in[0].dtype, in[0])
	})
	redoable("Depends", func(op dependent, r *redone) []*Array {
		r.want(op.inputs > 0 && op.inputs <= len(r.in), "Depends", "%d of %d operands", op.inputs, len(r.in))
		return Depends(r.in[:op.inputs], r.in[op.inputs:])
	})
	redoable("Concatenate", func(op concatenate, r *redone) []*Array { return []*Array{Concatenate(r.in, op.axis)} })
}

// again is the window of a that has the given shape.
func (op slice) again(r *redone, a *Array, shape []int) *Array {
	n := len(a.shape)
	r.want(len(op.start) == n && len(op.step) == n && len(shape) == n, "Slice", "start %v, step %v and shape %v of %v", op.start, op.step, shape, a)
	stop := make([]int, n)
	for i, d := range shape {
		start, step := op.start[i], op.step[i]
		r.want(start >= -1 && start <= maxBytes && step != 0 && step >= -maxBytes && step <= maxBytes && d >= 0 && d <= a.shape[i], "Slice", "start %v, step %v", op.start, op.step)
		switch {
		case d == 0:
			stop[i] = start
		case step > 0:
			stop[i] = start + min(step, maxBytes/d)*(d-1) + 1
		default:
			stop[i] = start + max(step, -maxBytes/d)*(d-1) - 1
		}
	}
	return Slice(a, op.start, stop, op.step)
}

func indexRules() {
	integers := func(r *redone, name string, ids *Array) {
		r.want(ids.dtype.IsInteger(), name, "indices are %v", ids)
	}
	one("IndexCheck", 1, func(op indexCheck, r *redone, in []*Array) *Array {
		integers(r, "IndexCheck", in[0])
		return indexBetween(op.op, in[0], op.low, op.high)
	})
	one("Gather", 2, func(op gather, r *redone, in []*Array) *Array {
		integers(r, "Gather", in[1])
		return take(in[0], in[1], 0)
	})
	one("ScatterAdd", 2, func(op scatterAdd, r *redone, in []*Array) *Array {
		ids, rows, out := in[0], in[1], r.out[0].shape
		integers(r, "ScatterAdd", ids)
		r.want(len(out) > 0 && slices.Equal(rows.shape, append(slices.Clone(ids.shape), out[1:]...)), "ScatterAdd", "%v at %v in %v", rows, ids, out)
		return apply1(op, out, rows.dtype, ids, rows)
	})
	one("GatherAxis", 2, func(op gatherAxis, r *redone, in []*Array) *Array {
		integers(r, "GatherAxis", in[1])
		r.want(len(in[0].shape) == len(in[1].shape), "GatherAxis", "%v at %v", in[0], in[1])
		return takeAlongAxis(in[0], in[1], op.axis)
	})
	one("ScatterAxis", 3, func(op scatterAxis, r *redone, in []*Array) *Array {
		a, ids, values := in[0], in[1], in[2]
		integers(r, "ScatterAxis", ids)
		axis := normAxis("ScatterAxis", op.axis, len(a.shape))
		want := slices.Clone(a.shape)
		r.want(len(ids.shape) == len(want) && op.axis == axis && op.how >= scatterPut && op.how <= scatterMinimum, "ScatterAxis", "%v at %v in %v", values, ids, a)
		want[axis] = ids.shape[axis]
		r.want(slices.Equal(ids.shape, want) && slices.Equal(values.shape, want) && values.dtype == a.dtype, "ScatterAxis", "%v at %v in %v", values, ids, a)
		return apply1(op, a.shape, a.dtype, a, ids, values)
	})
	one("ArgSort", 1, func(op argSort, r *redone, in []*Array) *Array { return ArgSort(in[0], -1) })
	one("SearchSorted", 2, func(op searchSorted, r *redone, in []*Array) *Array { return SearchSorted(in[0], in[1], op.right) })
}

func foldRules() {
	one("Reduce", 1, func(op reduce, r *redone, in []*Array) *Array {
		r.want(slices.Contains([]kernels.ReduceOp{kernels.Sum, kernels.Prod, kernels.Max, kernels.Min, kernels.All, kernels.Any}, op.op) && len(op.axes) > 0, "Reduce", "%q of axes %v", op.op, op.axes)
		dt := in[0].dtype
		if op.op == kernels.All || op.op == kernels.Any {
			dt = metal.Bool
		}
		if op.op == kernels.Max || op.op == kernels.Min {
			checkReduced("Reduce", in[0], op.axes)
		}
		return op.apply(in[0], dt, op.axes, true)
	})
	one("ArgReduce", 1, func(op argReduce, r *redone, in []*Array) *Array {
		r.want(op.op == kernels.ArgMax || op.op == kernels.ArgMin, "ArgReduce", "%q", op.op)
		return op.apply(in[0], op.axis, true)
	})
	one("Scan", 1, func(op scan, r *redone, in []*Array) *Array {
		r.want(slices.Contains([]kernels.ScanOp{kernels.CumSum, kernels.CumProd, kernels.CumMax, kernels.CumMin, kernels.LogCumSumExp}, op.op), "Scan", "%q", op.op)
		return op.apply(in[0], op.axis)
	})
	redoable("LinearScan", func(op linearScan, r *redone) []*Array {
		r.count("LinearScan", 2, 2)
		r.want(r.in[0].dtype == metal.Float32 && op.axis >= 0 && op.axis < len(r.in[0].shape), "LinearScan", "%v along axis %d", r.in[0], op.axis)
		return r.alike(op, "LinearScan", 2)
	})
	one("Softmax", 1, func(op softmax, r *redone, in []*Array) *Array { return Softmax(in[0], -1) })
	redoable("SoftmaxVJP", func(op softmaxVJP, r *redone) []*Array { return r.alike(op, "SoftmaxVJP", 2) })
	one("LogSumExp", 1, func(op logSumExp, r *redone, in []*Array) *Array { return LogSumExp(in[0], []int{-1}, true) })
	one("LogSumExpUnfused", 1, func(op logSumExpUnfused, r *redone, in []*Array) *Array {
		return ExpandDims(LogSumExpUnfused(in[0]), -1)
	})
	one("SumSquares", 1, func(op sumSquares, r *redone, in []*Array) *Array { return SumSquares(in[0]) })
	one("NarrowSum", 1, func(op narrowSum, r *redone, in []*Array) *Array {
		wantRows("NarrowSum", in[0])
		return sumNarrow(in[0])
	})
}

func productRules() {
	one("Matmul", 2, func(op matmul, r *redone, in []*Array) *Array {
		a, b, n := in[0], in[1], len(in[0].shape)
		r.want(n >= 2 && len(b.shape) == n && slices.Equal(a.shape[:n-2], b.shape[:n-2]) && a.shape[n-1] == b.shape[n-2] && a.dtype == b.dtype && a.dtype.IsFloat(),
			"Matmul", "operands are %v and %v", a, b)
		dt := r.out[0].dtype
		r.want(dt == a.dtype || dt == metal.Float32 && a.dtype.Size() == 2, "Matmul", "output is %v for %v", r.out[0], a)
		return apply1(op, append(slices.Clone(a.shape[:n-1]), b.shape[n-1]), dt, a, b)
	})
	one("FFT", 1, func(op fourier, r *redone, in []*Array) *Array {
		x, y := typeOf(in[0]), r.out[0]
		whole, half := op.n, op.n/2+1
		r.want(op.n > 0 && len(x.shape) > 0, "FFT", "%v, length %d", in[0], op.n)
		last := x.shape[len(x.shape)-1]
		ok := x.dtype == metal.Complex64 && (y.dtype == metal.Complex64 && last == whole || y.dtype == metal.Float32 && last == half) ||
			x.dtype == metal.Float32 && y.dtype == metal.Complex64 && last == whole
		r.want(ok, "FFT", "%v from %v, length %d", y, in[0], op.n)
		return op.apply(in[0], y.dtype)
	})
	one("HadamardTransform", 1, func(op hadamard, r *redone, in []*Array) *Array {
		HadamardTransform(in[0], nil) // checks the operand
		r.want(len(in[0].shape) > 0 && in[0].dtype.IsFloat(), "HadamardTransform", "%v", in[0])
		return apply1(op, in[0].shape, in[0].dtype, in[0])
	})
	one("BlockMask", 2, func(op blockMask, r *redone, in []*Array) *Array {
		r.want((op.block == 32 || op.block == 64) && len(in[0].shape) >= 2 && len(in[1].shape) >= 2, "BlockMask", "%v by %v", in[0], in[1])
		wantFloat("BlockMask", in[0])
		return op.masked("BlockMask", "mask", in[0], in[1])
	})
	one("SegmentedMM", 3, func(op segmentedMM, r *redone, in []*Array) *Array { return SegmentedMM(in[0], in[1], in[2]) })
	one("MatmulLowRank", 4, func(op lowRank, r *redone, in []*Array) *Array {
		wantFloat("MatmulLowRank", in[0])
		return MatmulLowRank(in[0], in[1], in[2], in[3], float64(op.scale))
	})
	one("LoRALinear", 5, func(op loraLinear, r *redone, in []*Array) *Array {
		x, w, a, b, xa := in[0], in[1], in[2], in[3], in[4]
		wantFloat("LoRALinear", x)
		for _, m := range in {
			r.want(len(m.shape) == 2 && m.dtype == x.dtype, "LoRALinear", "operand %v beside %v", m, x)
		}
		r.want(w.shape[1] == x.shape[1] && a.shape[0] == x.shape[1] && slices.Equal(b.shape, []int{a.shape[1], w.shape[0]}) && slices.Equal(xa.shape, []int{x.shape[0], a.shape[1]}),
			"LoRALinear", "operands are %v, %v, %v, %v, %v", x, w, a, b, xa)
		return apply1(op, []int{x.shape[0], w.shape[0]}, x.dtype, in...)
	})
	// The three products of a convolution: each has two of x, w and y.
	one("Conv", 2, func(op conv, r *redone, in []*Array) *Array {
		checkConv(r, op.ConvOp, typeOf(in[0]), typeOf(in[1]), r.out[0])
		return apply1(op, r.out[0].shape, r.out[0].dtype, in...)
	})
	one("ConvInput", 2, func(op convInput, r *redone, in []*Array) *Array {
		checkConv(r, op.ConvOp, r.out[0], typeOf(in[1]), typeOf(in[0]))
		return apply1(op, r.out[0].shape, r.out[0].dtype, in...)
	})
	one("ConvWeight", 2, func(op convWeight, r *redone, in []*Array) *Array {
		checkConv(r, op.ConvOp, typeOf(in[0]), r.out[0], typeOf(in[1]))
		return apply1(op, r.out[0].shape, r.out[0].dtype, in...)
	})
}

// checkConv panics unless y is the convolution of x with w.
func checkConv(r *redone, op kernels.ConvOp, x, w, y typed) {
	n := len(x.shape) - 2
	r.want(n >= 1 && n <= kernels.ConvAxes && len(w.shape) == n+2 && len(y.shape) == n+2 && w.dtype == x.dtype && y.dtype == x.dtype, "Conv", "%v with %v gives %v", x, w, y)
	opt := ConvGeneralOptions{Stride: op.Stride[:n], PadLow: op.Pad[:n], KernelDilation: op.TapDilation[:n], InputDilation: op.InputDilation[:n], Groups: op.Groups, Flip: op.Flip}
	for i := range n {
		d, k, out := x.shape[i+1], w.shape[i+1], y.shape[i+1]
		r.want(op.Stride[i] > 0 && min(d, k, out) >= 0 && max(op.Stride[i], op.TapDilation[i], op.InputDilation[i], op.Pad[i], -op.Pad[i], d, k, out) < 1<<20, "Conv", "%+v: %v with %v gives %v", op, x, w, y)
		reach := (out-1)*op.Stride[i] + (k-1)*op.TapDilation[i] + 1
		opt.PadHigh = append(opt.PadHigh, reach-max(d-1, 0)*op.InputDilation[i]-min(d, 1)-op.Pad[i])
	}
	for i := n; i < kernels.ConvAxes; i++ {
		r.want(op.Stride[i] == 1 && op.TapDilation[i] == 1 && op.InputDilation[i] == 1 && op.Pad[i] == 0, "Conv", "%+v for %v", op, x)
	}
	r.want(shapeFault(w.shape, w.dtype) == "" && shapeFault(x.shape, x.dtype) == "", "Conv", "%v with %v", x, w)
	made := typeOf(convolution("Conv", x.array(), w.array(), opt))
	r.want(made.equal(y), "Conv", "%v with %v gives %v and not %v", x, w, made, y)
}
