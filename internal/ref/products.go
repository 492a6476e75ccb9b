package ref

import "math"

// Hadamard is the product of scale·(signs ⊗ H) with the rows of x, where H is the
// Hadamard matrix of the size that is left, a power of two, and signs are those
// of a square matrix.
func Hadamard(x []float64, rows int, signs [][]float64, scale float64) Result {
	n := len(x) / max(rows, 1)
	m := len(signs)
	power := n / m
	out := Result{Class: Reduction}
	for r := range rows {
		for k := range n {
			sum, mag := 0.0, 0.0
			for j := range n {
				v := x[r*n+j] * signs[k/power][j/power]
				if parity(uint(j%power) & uint(k%power)) {
					v = -v
				}
				sum, mag = sum+v, mag+math.Abs(v)
			}
			out.Value, out.Mag = append(out.Value, sum*scale), append(out.Mag, mag*math.Abs(scale))
		}
	}
	return out
}

func parity(v uint) bool {
	odd := false
	for ; v != 0; v &= v - 1 {
		odd = !odd
	}
	return odd
}

// BlockMask is x, [batch, rows, cols], with each block of block by block elements
// times that of mask; where boolean is set, a block whose element is 0 is 0.
// Operands with one matrix serve all.
func BlockMask(x, mask []float64, batch, rows, cols, block int, boolean bool) Result {
	out := Result{Class: Elementwise, Value: []float64{}}
	down, across := (rows+block-1)/block, (cols+block-1)/block
	for b := range batch {
		for i := range rows {
			for j := range cols {
				v := x[(b*rows*cols+i*cols+j)%len(x)]
				w := mask[(b*down*across+i/block*across+j/block)%len(mask)]
				if boolean && w == 0 {
					v, w = 0, 1
				}
				out.Value = append(out.Value, v*w)
			}
		}
	}
	return out
}

// SegmentedMM is a [m, k] times b [k, n] over ranges of k, a pair each, cut to
// it.
func SegmentedMM(a, b []float64, ranges []uint64, m, k, n int) Result {
	out := Result{Class: Matmul, Value: []float64{}, Mag: []float64{}}
	for s := 0; s < len(ranges); s += 2 {
		from, to := min(ranges[s], uint64(k)), min(ranges[s+1], uint64(k))
		for i := range m {
			for j := range n {
				sum, mag := 0.0, 0.0
				for at := from; at < to; at++ {
					v := a[i*k+int(at)] * b[int(at)*n+j]
					sum, mag = sum+v, mag+math.Abs(v)
				}
				out.Value, out.Mag = append(out.Value, sum), append(out.Mag, mag)
			}
		}
	}
	return out
}
