package kernels

import "github.com/ftmetal/ftmetal/metal"

// blockMaskArgs mirrors BlockMaskArgs of block_mask.h.
type blockMaskArgs struct {
	size                        uint64
	xBatch, maskBatch           int64
	rows, cols, block, maskCols uint32
}

// BlockMask scales blocks of block by block elements of the matrices x by the
// elements of mask, which is bool or of x's dtype: a block with false is zero
// whatever it holds. x and mask have one matrix for each of out or one for all;
// each of the three is contiguous with three axes.
func BlockMask(e Emitter, x, mask, out Tensor, block int) {
	if out.Size() == 0 {
		return
	}
	if !x.DType.IsFloat() || x.DType == metal.Float64 {
		unsupported("BlockMask", x.DType)
	}
	args := blockMaskArgs{size: uint64(out.Size()), rows: u32(out.Shape[1]), cols: u32(out.Shape[2]), block: u32(block), maskCols: u32(mask.Shape[2]),
		xBatch: matrixStep(x), maskBatch: matrixStep(mask)}
	grid, group := gridFor(out.Size())
	e.Emit(metal.Dispatch{Kernel: name(name("block_mask", x.DType), mask.DType), In: []metal.View{x.View, mask.View}, Out: []metal.View{out.View},
		Args: bytesOf(&args), Grid: grid, Group: group, FLOPs: int64(out.Size())})
}

// matrixStep is the elements from one matrix of [batch, rows, cols] to the next,
// 0 if there is one.
func matrixStep(t Tensor) int64 {
	if t.Shape[0] == 1 {
		return 0
	}
	return int64(t.Shape[1] * t.Shape[2])
}
