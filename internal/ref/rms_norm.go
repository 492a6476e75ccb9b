package ref

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// RMSNorm is x·r·w over rows of n elements, with r = 1/√(mean(x²)+eps); w nil
// stands for ones. As in MLX, x·r is rounded to dt before it is weighted.
func RMSNorm(x, w []float64, n int, eps float64, dt metal.DType) Result {
	out := Result{Class: Reduction, Value: make([]float64, len(x)), Mag: make([]float64, len(x))}
	for at := 0; at < len(x); at += n {
		row := x[at : at+n]
		r := rms(row, eps)
		for i, v := range row {
			out.Value[at+i] = v * r * weight(w, i)
			out.Mag[at+i] = math.Abs(out.Value[at+i])
			if w != nil {
				out.Mag[at+i] *= 1 + Intermediate(dt)/float64(Reduction)
			}
		}
	}
	return out
}

// RMSNormVJP is the gradient of RMSNorm for the cotangent g.
func RMSNormVJP(x, w, g []float64, n int, eps float64) (dx, dw Result) {
	dx = Result{Class: Reduction, Value: make([]float64, len(x)), Mag: make([]float64, len(x))}
	dw = Result{Class: Reduction, Value: make([]float64, n), Mag: make([]float64, n)}
	for at := 0; at < len(x); at += n {
		row := x[at : at+n]
		r := rms(row, eps)
		dot, mag := 0.0, 0.0
		for i, v := range row {
			dot += g[at+i] * weight(w, i) * v
			mag += math.Abs(g[at+i] * weight(w, i) * v)
		}
		k, kmag := r*r*dot/float64(n), r*r*mag/float64(n)
		for i, v := range row {
			gw := g[at+i] * weight(w, i)
			dx.Value[at+i] = r * (gw - v*k)
			dx.Mag[at+i] = r * (math.Abs(gw) + math.Abs(v)*kmag)
			dw.Value[i] += g[at+i] * v * r
			dw.Mag[i] += math.Abs(g[at+i] * v * r)
		}
	}
	return dx, dw
}

func rms(row []float64, eps float64) float64 {
	sum := 0.0
	for _, v := range row {
		sum += v * v
	}
	return 1 / math.Sqrt(sum/float64(len(row))+eps)
}

func weight(w []float64, i int) float64 {
	if w == nil {
		return 1
	}
	return w[i]
}
