package ref

import "math"

// layerRow is a normalised row: xn = (x - mean)·r. size is the magnitude behind
// x - mean, and rMag that behind r, relative to r.
type layerRow struct {
	xn, mag []float64
	r, rMag float64
}

func newLayerRow(x []float64, eps float64) layerRow {
	n := float64(len(x))
	mean, size, variance, spread := 0.0, 0.0, 0.0, 0.0
	for _, v := range x {
		mean += v / n
		size += math.Abs(v) / n
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / n
		spread += math.Abs(v-mean) / n
	}
	row := layerRow{xn: make([]float64, len(x)), mag: make([]float64, len(x)), r: 1 / math.Sqrt(variance+eps)}
	row.rMag = 1 + size*spread*row.r*row.r
	for i, v := range x {
		row.xn[i] = (v - mean) * row.r
		row.mag[i] = (math.Abs(v)+size)*row.r + math.Abs(row.xn[i])*row.rMag
	}
	return row
}

// LayerNorm is (x - mean)·r·w + b over rows of n elements, with
// r = 1/√(variance+eps).
func LayerNorm(x, w, b []float64, n int, eps float64) Result {
	out := zeros(Reduction, len(x))
	for at := 0; at < len(x); at += n {
		row := newLayerRow(x[at:at+n], eps)
		for i := range n {
			out.add(at+i, row.xn[i]*w[i]+b[i], row.mag[i]*math.Abs(w[i])+math.Abs(b[i]))
		}
	}
	return out
}

// LayerNormVJP is the gradient of LayerNorm for the cotangent g.
func LayerNormVJP(x, w, g []float64, n int, eps float64) (dx, dw, db Result) {
	dx, dw, db = zeros(Reduction, len(x)), zeros(Reduction, n), zeros(Reduction, n)
	for at := 0; at < len(x); at += n {
		row := newLayerRow(x[at:at+n], eps)
		mean, size, dot, dotSize, dotMag := 0.0, 0.0, 0.0, 0.0, 0.0
		for i := range n {
			gw := g[at+i] * w[i]
			mean += gw / float64(n)
			size += math.Abs(gw) / float64(n)
			dot += gw * row.xn[i] / float64(n)
			dotSize += math.Abs(gw*row.xn[i]) / float64(n)
			dotMag += math.Abs(gw) * row.mag[i] / float64(n)
		}
		for i := range n {
			gw, xn := g[at+i]*w[i], row.xn[i]
			mag := (math.Abs(gw)+size)*row.rMag + row.mag[i]*dotSize + math.Abs(xn)*dotMag
			dx.add(at+i, row.r*(gw-mean-xn*dot), row.r*mag)
			dw.add(i, g[at+i]*xn, math.Abs(g[at+i])*row.mag[i])
			db.add(i, g[at+i], math.Abs(g[at+i]))
		}
	}
	return dx, dw, db
}
