package ref

import (
	"math"

	"github.com/ftmetal/ftmetal/kernels"
)

// AdamW is the parameters and both moments after update number count: Adam with
// decoupled weight decay of the first opt.DecayCount elements (Loshchilov &
// Hutter, arXiv 1711.05101).
func AdamW(g, p, m, v []float64, lr, gradScale float64, count int, opt kernels.AdamWOptions) [3]Result {
	var out [3]Result
	for i := range out {
		out[i] = Result{Class: Transcendental, Value: make([]float64, len(p)), Mag: make([]float64, len(p))}
	}
	b1, b2, eps, decay := opt.Beta1, opt.Beta2, opt.Eps, opt.WeightDecay
	correct1, correct2 := 1.0, 1.0
	if opt.BiasCorrection {
		correct1, correct2 = 1-math.Pow(opt.Beta1, float64(count)), 1-math.Pow(opt.Beta2, float64(count))
	}
	for i := range p {
		d := g[i] * gradScale
		m1, v1 := b1*m[i]+(1-b1)*d, b2*v[i]+(1-b2)*d*d
		mMag := math.Abs(b1*m[i]) + math.Abs((1-b1)*d)
		x := p[i]
		if i < opt.DecayCount {
			x *= 1 - lr*decay
		}
		denominator := math.Sqrt(v1/correct2) + eps
		out[0].Value[i] = x - lr/correct1*m1/denominator
		out[0].Mag[i] = math.Abs(p[i]) + lr/correct1*mMag/denominator
		out[1].Value[i], out[1].Mag[i] = m1, mMag
		out[2].Value[i], out[2].Mag[i] = v1, v1
	}
	return out
}

// SGD is the parameters and the velocity after an update, as torch.optim.SGD and
// mlx.optimizers.SGD have it.
func SGD(g, p, v []float64, lr, gradScale float64, opt kernels.SGDOptions) (params, velocity Result) {
	params = Result{Class: Transcendental, Value: make([]float64, len(p)), Mag: make([]float64, len(p))}
	velocity = Result{Class: Transcendental, Value: make([]float64, len(p)), Mag: make([]float64, len(p))}
	for i := range p {
		d := g[i]*gradScale + opt.WeightDecay*p[i]
		mag := math.Abs(g[i]*gradScale) + math.Abs(opt.WeightDecay*p[i])
		v1, v1Mag := opt.Momentum*v[i]+(1-opt.Dampening)*d, math.Abs(opt.Momentum*v[i])+(1-opt.Dampening)*mag
		if opt.First {
			v1, v1Mag = d, mag
		}
		step, stepMag := v1, v1Mag
		if opt.Nesterov {
			step, stepMag = d+opt.Momentum*v1, mag+opt.Momentum*v1Mag
		}
		params.Value[i], params.Mag[i] = p[i]-lr*step, math.Abs(p[i])+lr*stepMag
		velocity.Value[i], velocity.Mag[i] = v1, v1Mag
	}
	return params, velocity
}

// SumSquares is Σ x².
func SumSquares(x []float64) Result {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return Result{Class: Reduction, Value: []float64{sum}}
}

// ClipScale is the factor that limits a gradient's norm √sq, and the norm.
func ClipScale(sq, limit float64) (scale, norm Result) {
	n := math.Sqrt(sq)
	return Result{Class: Elementwise, Value: []float64{min(limit/(n+1e-6), 1)}}, Result{Class: Elementwise, Value: []float64{n}}
}
