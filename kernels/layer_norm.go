package kernels

import "github.com/ftmetal/ftmetal/metal"

// layerNormThreads is LAYER_NORM_THREADS of layer_norm.h.
const layerNormThreads = 256

// layerNormArgs mirrors LayerNormArgs of layer_norm.h.
type layerNormArgs struct {
	rows, n   uint32
	eps       float32
	blockRows uint32
}

// LayerNorm scales each row of x [rows, n] to mean 0 and variance 1, then by w
// [n], plus b [n]; all of one dtype and contiguous.
func LayerNorm(e Emitter, x, w, b, out Tensor, eps float32) {
	if x.Size() == 0 {
		return
	}
	rows, n := lastAxis(x)
	args := layerNormArgs{u32(rows), u32(n), eps, normBlockRows}
	grid, group := rowGrid(rows, n, layerNormThreads)
	e.Emit(metal.Dispatch{Kernel: name("layer_norm", x.DType), In: []metal.View{x.View, w.View, b.View}, Out: []metal.View{out.View},
		Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: int64(8 * x.Size()), InPlace: []uint32{1}})
}

// LayerNormVJP is the gradient of LayerNorm: dx, and dw and db where they have a
// view.
func LayerNormVJP(e Emitter, x, w, dy, dx, dw, db Tensor, eps float32) {
	wantW, wantB := dw.Bound(), db.Bound()
	if x.Size() == 0 {
		for _, t := range []Tensor{dw, db} {
			if t.Bound() {
				Fill(e, t, 0)
			}
		}
		return
	}
	rows, n := lastAxis(x)
	args := layerNormArgs{u32(rows), u32(n), eps, normBlockRows}
	stats := Scratch(e, metal.Float32, rows, 2)
	grid, group := rowGrid(rows, n, layerNormThreads)
	d := metal.Dispatch{Kernel: name("layer_norm_vjp", x.DType), In: []metal.View{x.View, w.View, dy.View}, Out: []metal.View{dx.View, stats.View},
		Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: int64(14 * x.Size()), InPlace: []uint32{5, 0}}
	if wantW || wantB {
		d.InPlace = nil // x and dy are read again
	}
	e.Emit(d)
	if !wantW && !wantB {
		return
	}
	blocks := ceilDiv(rows, normBlockRows)
	partW := Scratch(e, metal.Float32, blocks, n)
	partB := Scratch(e, metal.Float32, blocks, n)
	e.Emit(metal.Dispatch{Kernel: name("layer_norm_vjp_w", x.DType), In: []metal.View{x.View, dy.View, stats.View}, Out: []metal.View{partW.View, partB.View},
		Args: bytesOf(&args), Grid: metal.Size{X: n, Y: blocks, Z: 1}, Group: metal.Size{X: min(n, 256), Y: 1, Z: 1}, FLOPs: int64(5 * x.Size())})
	if wantW {
		joinRows(e, partW, dw)
	}
	if wantB {
		joinRows(e, partB, db)
	}
}
