package ref

import "math"

// Gemm is Alpha·A@B + Beta·D + Scale·U@V for Batch products; D nil stands for
// zeros, R 0 for no low-rank product, which all batches share.
type Gemm struct {
	Batch, M, N, K, R  int
	Alpha, Beta, Scale float64
}

// Of multiplies a [Batch,M,K] and b [Batch,K,N], adds d [Batch,M,N] and
// u [M,R] by v [R,N].
func (g Gemm) Of(a, b, d, u, v []float64) Result {
	out := Result{Class: Matmul, Value: make([]float64, g.Batch*g.M*g.N), Mag: make([]float64, g.Batch*g.M*g.N)}
	for at := range out.Value {
		z, i, j := at/(g.M*g.N), at/g.N%g.M, at%g.N
		sum, mag := rowByColumn(a, (z*g.M+i)*g.K, b, z*g.K*g.N+j, g.K, g.N)
		out.Value[at], out.Mag[at] = g.Alpha*sum, math.Abs(g.Alpha)*mag
		if g.R > 0 {
			sum, mag = rowByColumn(u, i*g.R, v, j, g.R, g.N)
			out.Value[at] += g.Scale * sum
			out.Mag[at] += math.Abs(g.Scale) * mag
		}
		if d != nil {
			out.Value[at] += g.Beta * d[at]
			out.Mag[at] += math.Abs(g.Beta * d[at])
		}
	}
	return out
}

// rowByColumn is the product of n elements of a from element i on, and of n
// elements of b, stride apart, from element j on, with its magnitude.
func rowByColumn(a []float64, i int, b []float64, j, n, stride int) (sum, mag float64) {
	for k := range n {
		p := a[i+k] * b[j+k*stride]
		sum += p
		mag += math.Abs(p)
	}
	return sum, mag
}
