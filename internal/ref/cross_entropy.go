package ref

import (
	"math"

	"github.com/ftmetal/ftmetal/metal"
)

// logits is one row of logits with what is known of its softmax: mag is the
// magnitude behind each logit.
type logits struct {
	x, mag, p      []float64
	lse            float64
	lseMag, spread float64
}

func newLogits(x, mag []float64) logits {
	l := logits{x: x, mag: mag, p: make([]float64, len(x))}
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, v)
	}
	shift := top
	if math.IsInf(top, 0) {
		shift = 0
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(v - shift)
	}
	l.lse = shift + math.Log(sum)
	for i, v := range x {
		l.p[i] = math.Exp(v - l.lse)
		if l.p[i] > 0 { // a logit of -Inf has no part in the sum
			l.spread += l.p[i] * mag[i]
		}
	}
	l.lseMag = math.Abs(l.lse) + 1 + l.spread
	return l
}

// loss is lse - x[target], as the kernels define it for any target.
func (l logits) loss(target int) (v, mag float64) {
	switch {
	case target < 0:
		return 0, 0
	case target >= len(l.x):
		return math.NaN(), 0
	}
	return l.lse - l.x[target], l.lseMag + l.mag[target]
}

// gradient is d loss / d x[i] times g.
func (l logits) gradient(i, target int, g float64) (v, mag float64) {
	switch {
	case target < 0:
		return 0, 0
	case target >= len(l.x):
		return math.NaN(), 0
	}
	if v = l.p[i]; v > 0 {
		mag = v * (1 + l.mag[i] + l.lseMag)
	}
	if i == target {
		v, mag = v-1, mag+1
	}
	return g * v, math.Abs(g) * mag
}

func absAll(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Abs(v)
	}
	return out
}

// CrossEntropy is the loss and the log-sum-exp of rows of n logits.
func CrossEntropy(x, targets []float64, n int) (loss, lse Result) {
	loss, lse = zeros(Reduction, len(targets)), zeros(Reduction, len(targets))
	for t, target := range targets {
		row := x[t*n : (t+1)*n]
		l := newLogits(row, absAll(row))
		lse.add(t, l.lse, l.lseMag)
		v, mag := l.loss(int(target))
		loss.add(t, v, mag)
	}
	return loss, lse
}

// CrossEntropyGrad is g·(softmax - onehot) of rows of n logits; g nil stands for
// ones.
func CrossEntropyGrad(x, targets, g []float64, n int) Result {
	out := zeros(Reduction, len(x))
	for t, target := range targets {
		row := x[t*n : (t+1)*n]
		l := newLogits(row, absAll(row))
		for i := range row {
			v, mag := l.gradient(i, int(target), weight(g, t))
			out.add(t*n+i, v, mag)
		}
	}
	return out
}

// LinearCrossEntropy is cross-entropy of the logits h@wᵀ, for h [T,D] and w
// [V,D].
type LinearCrossEntropy struct {
	H, W, Targets []float64
	D             int
}

func (c LinearCrossEntropy) row(t int) logits {
	vocab := len(c.W) / c.D
	x, mag := make([]float64, vocab), make([]float64, vocab)
	for v := range vocab {
		x[v], mag[v] = dotMag(c.H[t*c.D:], c.W[v*c.D:], c.D)
	}
	return newLogits(x, mag)
}

// Forward is the loss and the log-sum-exp of every row, 0 in rows that do not
// count.
func (c LinearCrossEntropy) Forward() (loss, lse Result) {
	loss, lse = zeros(Matmul, len(c.Targets)), zeros(Matmul, len(c.Targets))
	for t, target := range c.Targets {
		l := c.row(t)
		if target >= 0 {
			lse.add(t, l.lse, l.lseMag)
		}
		v, mag := l.loss(int(target))
		loss.add(t, v, mag)
	}
	return loss, lse
}

// Gradient is dh and dw for the cotangent g of the losses (nil: ones); the
// gradient of the logits is rounded to dt on the way, once.
func (c LinearCrossEntropy) Gradient(g []float64, dt metal.DType) (dh, dw Result) {
	dh, dw = zeros(Matmul, len(c.H)), zeros(Matmul, len(c.W))
	scale := float64(Matmul) * unit(metal.Float32)
	for t, target := range c.Targets {
		l := c.row(t)
		for v := range l.x {
			d, mag := l.gradient(v, int(target), weight(g, t))
			mag += (unit(dt)*math.Abs(d) + halfDenormal(dt)) / scale
			for i := range c.D {
				h, w := c.H[t*c.D+i], c.W[v*c.D+i]
				dh.add(t*c.D+i, d*w, mag*math.Abs(w))
				dw.add(v*c.D+i, d*h, mag*math.Abs(h))
			}
		}
	}
	return dh, dw
}

// ScaleRows is x with each row multiplied by its factor.
func ScaleRows(x, s []float64) Result {
	out := Result{Class: Elementwise, Value: make([]float64, len(x))}
	for i, v := range x {
		out.Value[i] = v * s[i*len(s)/len(x)]
	}
	return out
}
