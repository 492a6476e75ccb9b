package kernels

import (
	"fmt"

	"github.com/ftmetal/ftmetal/metal"
)

// maxDims is the most axes that the strided kernels step through, after axes
// that lie together have been merged.
const maxDims = 8

// collapse merges neighbouring axes of a common shape that every operand steps
// through as one, and drops axes of extent 1. There is always at least one axis.
func collapse(shape []int, strides ...[]int) (merged []int, steps [][]int) {
	steps = make([][]int, len(strides))
	for i, d := range shape {
		if d == 1 {
			continue
		}
		last := len(merged) - 1
		joins := last >= 0
		for k := range strides {
			joins = joins && steps[k][last] == strides[k][i]*d
		}
		if joins {
			merged[last] *= d
			for k := range strides {
				steps[k][last] = strides[k][i]
			}
			continue
		}
		merged = append(merged, d)
		for k := range strides {
			steps[k] = append(steps[k], strides[k][i])
		}
	}
	if len(merged) == 0 {
		merged = []int{1}
		for k := range steps {
			steps[k] = []int{0}
		}
	}
	if len(merged) > maxDims {
		refuse("%d axes of shape %v cannot be merged to %d", len(merged), shape, maxDims)
	}
	return merged, steps
}

// gridFor covers n elements, one thread each. Beyond 2³⁰ threads it has several
// rows, and the kernel skips those past the end.
func gridFor(n int) (grid, group metal.Size) {
	const row = 1 << 30
	if n <= row {
		return grid1D(n)
	}
	return metal.Size{X: row, Y: ceilDiv(n, row), Z: 1}, metal.Size{X: 256, Y: 1, Z: 1}
}

// inPlaceMask marks the inputs whose memory an elementwise output may take:
// contiguous ones with elements of the output's size.
func inPlaceMask(out Tensor, ins ...Tensor) uint32 {
	var mask uint32
	if !out.Contiguous() {
		return 0
	}
	for i, t := range ins {
		if t.Contiguous() && t.Size() == out.Size() && t.DType.Size() == out.DType.Size() {
			mask |= 1 << i
		}
	}
	return mask
}

// Error is what launch functions panic with when they cannot take an operand.
// The graph turns it into an error that names the op.
type Error string

func (e Error) Error() string { return "kernels: " + string(e) }

func refuse(format string, args ...any) { panic(Error(fmt.Sprintf(format, args...))) }

func unsupported(op string, dt metal.DType) { refuse("%s: dtype %s is not supported", op, dt) }
