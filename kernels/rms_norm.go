package kernels

import "github.com/ftmetal/ftmetal/metal"

// normThreads is NORM_THREADS of rms_norm.h; normBlockRows is how many rows one
// thread adds for the gradient of a weight.
const (
	normThreads   = 256
	normBlockRows = 64
)

// normArgs mirrors NormArgs of rms_norm.h.
type normArgs struct {
	rows, n             uint32
	eps                 float32
	weighted, blockRows uint32
}

func newNormArgs(x, w Tensor, eps float32) normArgs {
	rows, n := lastAxis(x)
	return normArgs{rows: u32(rows), n: u32(n), eps: eps, weighted: flag(w.Bound()), blockRows: normBlockRows}
}

// orElse is v, or another binding where v is absent: Metal wants every buffer
// bound.
func orElse(v, other metal.View) metal.View {
	if v.Buf == nil {
		return other
	}
	return v
}

// RMSNorm scales each row of x [rows, n] to unit root mean square, then by w
// [n], if that has a view; all of one dtype and contiguous.
func RMSNorm(e Emitter, x, w, out Tensor, eps float32) {
	if x.Size() == 0 {
		return
	}
	args := newNormArgs(x, w, eps)
	grid, group := rowGrid(int(args.rows), int(args.n), normThreads)
	e.Emit(metal.Dispatch{Kernel: name("rms_norm", x.DType), In: []metal.View{x.View, orElse(w.View, x.View)}, Out: []metal.View{out.View},
		Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: int64(4 * x.Size()), InPlace: []uint32{1}})
}

// RMSNormVJP is the gradient of RMSNorm: dx, and dw if it has a view.
func RMSNormVJP(e Emitter, x, w, dy, dx, dw Tensor, eps float32) {
	if x.Size() == 0 {
		if dw.Bound() {
			Fill(e, dw, 0)
		}
		return
	}
	args := newNormArgs(x, w, eps)
	rows, n := int(args.rows), int(args.n)
	rms := Scratch(e, metal.Float32, rows)
	grid, group := rowGrid(rows, n, normThreads)
	d := metal.Dispatch{Kernel: name("rms_norm_vjp", x.DType), In: []metal.View{x.View, orElse(w.View, x.View), dy.View}, Out: []metal.View{dx.View, rms.View},
		Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: int64(8 * x.Size()), InPlace: []uint32{4, 0}}
	if dw.Bound() {
		d.InPlace = nil // dy is read again
	}
	e.Emit(d)
	if dw.Bound() {
		blocks := ceilDiv(rows, normBlockRows)
		part := Scratch(e, metal.Float32, blocks, n)
		e.Emit(metal.Dispatch{Kernel: name("rms_norm_vjp_w", x.DType), In: []metal.View{x.View, dy.View, rms.View}, Out: []metal.View{part.View},
			Args: bytesOf(&args), Grid: metal.Size{X: n, Y: blocks, Z: 1}, Group: metal.Size{X: min(n, 256), Y: 1, Z: 1}, FLOPs: int64(3 * x.Size())})
		joinRows(e, part, dw)
	}
}

// joinRows adds the rows of part [blocks, n], float32, into out [n] of any float
// dtype.
func joinRows(e Emitter, part, out Tensor) {
	sum := out
	if out.DType != metal.Float32 {
		sum = Scratch(e, metal.Float32, part.Shape[1])
	}
	Reduce(e, Sum, part, sum, []int{0})
	if out.DType != metal.Float32 {
		Copy(e, sum, out)
	}
}
