package ref

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// SDPA is scaled dot-product attention of q, out [B,H,Tq,D] and k, v
// [B,KVHeads,Tk,D]. Query i sees key j if they are of one segment and, when
// Causal, j ≤ i + Tk - Tq.
type SDPA struct {
	B, H, KVHeads, Tq, Tk, D int
	Scale                    float64
	Causal                   bool
	SegQ, SegK               []float64 // [B,Tq], [B,Tk]; nil: one segment
}

// scores are those of one query: the weights of the keys, and the magnitude
// behind the logarithm of each. Keys that are not seen have weight 0.
type scores struct {
	p, mag       []float64
	lse, meanMag float64
}

func (a SDPA) sees(b, i, j int) bool {
	return (!a.Causal || j <= i+a.Tk-a.Tq) && (a.SegQ == nil || a.SegQ[b*a.Tq+i] == a.SegK[b*a.Tk+j])
}

func (a SDPA) rowQ(b, h, i int) int { return ((b*a.H+h)*a.Tq + i) * a.D }
func (a SDPA) rowK(b, h, j int) int { return ((b*a.KVHeads+h/(a.H/a.KVHeads))*a.Tk + j) * a.D }

func (a SDPA) scores(q, k []float64, b, h, i int) scores {
	s := scores{p: make([]float64, a.Tk), mag: make([]float64, a.Tk), lse: math.Inf(-1)}
	top := math.Inf(-1)
	for j := range a.Tk {
		s.p[j] = math.Inf(-1)
		if a.sees(b, i, j) {
			dot, mag := dotMag(q[a.rowQ(b, h, i):], k[a.rowK(b, h, j):], a.D)
			s.p[j], s.mag[j] = a.Scale*dot, math.Abs(a.Scale)*mag
			top = max(top, s.p[j])
		}
	}
	if math.IsInf(top, -1) {
		clear(s.p)
		return s
	}
	sum := 0.0
	for _, x := range s.p {
		sum += math.Exp(x - top)
	}
	s.lse = top + math.Log(sum)
	for j, x := range s.p {
		s.p[j] = math.Exp(x - s.lse)
		s.meanMag += s.p[j] * s.mag[j]
	}
	return s
}

func dotMag(x, y []float64, n int) (dot, mag float64) {
	for d := range n {
		dot += x[d] * y[d]
		mag += math.Abs(x[d] * y[d])
	}
	return dot, mag
}

// rounded adds to the magnitudes what rounding one factor of each term to bfloat16
// does, as products of bfloat16 may. The errors are of either sign, so that they add
// up to about the root of their squares: two of these are allowed.
func (r Result) rounded(dt metal.DType, squares []float64) {
	if dt != metal.BFloat16 {
		return
	}
	for i, x := range squares {
		r.Mag[i] += 2 / float64(r.Class) * Intermediate(dt) * math.Sqrt(x)
	}
}

// Forward is softmax(q@kᵀ·Scale)@v and the log-sum-exp of the scores, for operands
// that the kernels are given in dtype dt. A row that sees nothing is 0 and -Inf.
func (a SDPA) Forward(q, k, v []float64, dt metal.DType) (out, lse Result) {
	out, lse = zeros(Matmul, len(q)), zeros(Matmul, len(q)/a.D)
	squares := make([]float64, len(q))
	for row := range len(q) / a.D {
		b, h, i := row/a.Tq/a.H, row/a.Tq%a.H, row%a.Tq
		s := a.scores(q, k, b, h, i)
		lse.Value[row], lse.Mag[row] = s.lse, math.Abs(s.lse)+s.meanMag+1
		if math.IsInf(s.lse, -1) {
			lse.Mag[row] = 0
			continue
		}
		for j, p := range s.p {
			at := a.rowK(b, h, j)
			for d := range a.D {
				out.Value[row*a.D+d] += p * v[at+d]
				squares[row*a.D+d] += p * p * v[at+d] * v[at+d]
				// An error of a score moves its weight, and through the sum all others.
				out.Mag[row*a.D+d] += p * math.Abs(v[at+d]) * (1 + s.mag[j] + s.meanMag)
			}
		}
	}
	out.rounded(dt, squares)
	return out, lse
}

// Gradient is the gradient of Forward for the cotangent g of out, which the
// kernels are given in dtype dt.
func (a SDPA) Gradient(q, k, v, g []float64, dt metal.DType) (dq, dk, dv Result) {
	dq, dk, dv = zeros(Matmul, len(q)), zeros(Matmul, len(k)), zeros(Matmul, len(k))
	out, _ := a.Forward(q, k, v, dt)
	squares := [3][]float64{make([]float64, len(q)), make([]float64, len(k)), make([]float64, len(k))}
	for row := range len(q) / a.D {
		b, h, i := row/a.Tq/a.H, row/a.Tq%a.H, row%a.Tq
		s := a.scores(q, k, b, h, i)
		at := row * a.D
		delta, deltaMag := dotMag(g[at:], out.Value[at:], a.D)
		deltaMag *= Intermediate(dt)
		for d := range a.D {
			deltaMag += math.Abs(g[at+d]) * out.Mag[at+d]
		}
		for j, p := range s.p {
			if p == 0 {
				continue
			}
			key := a.rowK(b, h, j)
			dp, dpMag := dotMag(g[at:], v[key:], a.D)
			ds := p * (dp - delta)
			pMag := p * (1 + s.mag[j] + s.meanMag)
			dsMag := math.Abs(dp-delta)*pMag + p*(dpMag+deltaMag)
			for d := range a.D {
				dq.add(at+d, a.Scale*ds*k[key+d], math.Abs(a.Scale*dsMag*k[key+d]))
				dk.add(key+d, a.Scale*ds*q[at+d], math.Abs(a.Scale*dsMag*q[at+d]))
				dv.add(key+d, p*g[at+d], math.Abs(pMag*g[at+d]))
				for i, term := range [3]float64{a.Scale * ds * k[key+d], a.Scale * ds * q[at+d], p * g[at+d]} {
					squares[i][[3]int{at, key, key}[i]+d] += term * term
				}
			}
		}
	}
	for i, r := range []Result{dq, dk, dv} {
		r.rounded(dt, squares[i])
	}
	return dq, dk, dv
}

func zeros(c Class, n int) Result {
	return Result{Class: c, Value: make([]float64, n), Mag: make([]float64, n)}
}

// add adds a term and its magnitude to element i.
func (r Result) add(i int, term, mag float64) {
	r.Value[i] += term
	r.Mag[i] += mag
}
