package kernels

import "github.com/ftmetal/ftmetal/metal"

// Where selects a where cond (bool) holds and b elsewhere; all have out's shape
// with any strides, out is contiguous.
func Where(e Emitter, cond, a, b, out Tensor) {
	n := out.Size()
	if n == 0 {
		return
	}
	if a.DType != b.DType || cond.DType != metal.Bool {
		unsupported("Where", a.DType)
	}
	args := newBinaryArgs(out, cond, a, b)
	grid, group := gridFor(n)
	e.Emit(metal.Dispatch{Kernel: name("ternary_where", a.DType), In: []metal.View{cond.View, a.View, b.View}, Out: []metal.View{out.View},
		Args: bytesOf(&args), Grid: grid, Group: group, InPlace: []uint32{inPlaceMask(out, cond, a, b)}})
}
