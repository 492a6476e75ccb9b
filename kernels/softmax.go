package kernels

import "github.com/ftmetal/ftmetal/metal"

// softmaxThreads is SOFTMAX_THREADS of softmax.h.
const softmaxThreads = 256

// softmaxArgs mirrors SoftmaxArgs of softmax.h.
type softmaxArgs struct{ rows, n uint32 }

// rowGrid gives each of rows a threadgroup of enough threads for n elements, in
// whole simdgroups, at most limit.
func rowGrid(rows, n, limit int) (grid, group metal.Size) {
	threads := min(ceilDiv(max(n, 1), 32)*32, limit)
	return metal.Size{X: rows * threads, Y: 1, Z: 1}, metal.Size{X: threads, Y: 1, Z: 1}
}

// lastAxis is t as rows of its last axis.
func lastAxis(t Tensor) (rows, n int) {
	n = t.Dim(-1)
	return t.Size() / max(n, 1), n
}

func emitRows(e Emitter, kernel string, in, out []metal.View, rows, n int, flops int64, inPlace uint32) {
	args := softmaxArgs{u32(rows), u32(n)}
	grid, group := rowGrid(rows, n, softmaxThreads)
	e.Emit(metal.Dispatch{Kernel: kernel, In: in, Out: out, Args: bytesOf(&args), Grid: grid, Group: group,
		FLOPs: flops * int64(rows) * int64(n), InPlace: []uint32{inPlace}})
}

// Softmax normalises eˣ over the last axis of x, contiguous, into out of the
// same dtype.
func Softmax(e Emitter, x, out Tensor) {
	rows, n := lastAxis(x)
	if rows == 0 || n == 0 {
		return
	}
	emitRows(e, name("softmax", x.DType), []metal.View{x.View}, []metal.View{out.View}, rows, n, 5, 1)
}

// SoftmaxVJP is dx = y·(dy - Σ y·dy) over the last axis.
func SoftmaxVJP(e Emitter, y, dy, dx Tensor) {
	rows, n := lastAxis(y)
	if rows == 0 || n == 0 {
		return
	}
	emitRows(e, name("softmax_vjp", y.DType), []metal.View{y.View, dy.View}, []metal.View{dx.View}, rows, n, 4, 3)
}

// LogSumExp is ln Σ eˣ over the last axis of x, contiguous; out lacks that axis.
func LogSumExp(e Emitter, x, out Tensor) {
	rows, n := lastAxis(x)
	if rows == 0 || n == 0 {
		return
	}
	emitRows(e, name("softmax_logsumexp", x.DType), []metal.View{x.View}, []metal.View{out.View}, rows, n, 4, 0)
}
