package kernels

import "github.com/ftmetal/ftmetal/metal"

// segmentedMmTile is SEGMENTED_MM_TILE of segmented_mm.h.
const segmentedMmTile = 16

// segmentedMmArgs mirrors SegmentedMmArgs of segmented_mm.h.
type segmentedMmArgs struct{ segments, m, n, k uint32 }

// SegmentedMM is a [M,K] times b [K,N] over ranges of K, one product [M,N] of out
// for each pair of ranges, uint32 [S,2]; floats of one dtype, all contiguous.
func SegmentedMM(e Emitter, a, b, ranges, out Tensor) {
	if out.Size() == 0 {
		return
	}
	if !a.DType.IsFloat() || a.DType == metal.Float64 {
		unsupported("SegmentedMM", a.DType)
	}
	args := segmentedMmArgs{u32(ranges.Size() / 2), u32(a.Shape[0]), u32(b.Shape[1]), u32(a.Shape[1])}
	whole := func(n uint32) int { return ceilDiv(int(n), segmentedMmTile) * segmentedMmTile }
	e.Emit(metal.Dispatch{Kernel: name("segmented_mm", a.DType), In: []metal.View{a.View, b.View, ranges.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: metal.Size{X: whole(args.n), Y: whole(args.m), Z: int(args.segments)}, Group: metal.Size{X: segmentedMmTile, Y: segmentedMmTile, Z: 1},
		FLOPs: 2 * int64(args.m) * int64(args.n) * int64(args.k)})
}
