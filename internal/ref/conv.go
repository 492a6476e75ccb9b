package ref

import "math"

// Conv is the shapes of a convolution with up to three spatial axes, channels
// last: x [N, In…, C], w [O, Taps…, C/Groups], y [N, Out…, O], where output
// position o and tap k of an axis meet input position p for
// p·InputDilation = o·Stride - Pad + k·TapDilation.
type Conv struct {
	N, C, O, Groups                         int
	In, Taps, Out                           [3]int
	Stride, Pad, TapDilation, InputDilation [3]int
	Flip                                    bool
}

func volume(d [3]int) int { return d[0] * d[1] * d[2] }

// split is a flat position's place on each axis.
func split(flat int, d [3]int) [3]int {
	return [3]int{flat / d[2] / d[1], flat / d[2] % d[1], flat % d[2]}
}

// each calls f for all products of the trilinear form Σ x·w·y, with the places
// of the factors.
func (c Conv) each(f func(x, w, y int)) {
	for n := range c.N {
		for o := range volume(c.Out) {
			for k := range volume(c.Taps) {
				p, ok := c.meets(split(o, c.Out), split(k, c.Taps))
				if !ok {
					continue
				}
				for out := range c.O {
					in := c.C / c.Groups
					first := out / (c.O / c.Groups) * in
					for i := range in {
						f((n*volume(c.In)+p)*c.C+first+i, (out*volume(c.Taps)+k)*in+i, (n*volume(c.Out)+o)*c.O+out)
					}
				}
			}
		}
	}
}

// meets is the input position of an output position and a stored weight.
func (c Conv) meets(o, k [3]int) (flat int, ok bool) {
	for d := range 3 {
		if c.Flip {
			k[d] = c.Taps[d] - 1 - k[d]
		}
		p := o[d]*c.Stride[d] - c.Pad[d] + k[d]*c.TapDilation[d]
		if p < 0 || p%c.InputDilation[d] != 0 || p/c.InputDilation[d] >= c.In[d] {
			return 0, false
		}
		flat = flat*c.In[d] + p/c.InputDilation[d]
	}
	return flat, true
}

// Output is y for x and w.
func (c Conv) Output(x, w []float64) Result {
	r := zeros(Matmul, c.N*volume(c.Out)*c.O)
	c.each(func(i, j, k int) { r.add(k, x[i]*w[j], math.Abs(x[i]*w[j])) })
	return r
}

// Input is the transpose in x: for y and w.
func (c Conv) Input(y, w []float64) Result {
	r := zeros(Matmul, c.N*volume(c.In)*c.C)
	c.each(func(i, j, k int) { r.add(i, y[k]*w[j], math.Abs(y[k]*w[j])) })
	return r
}

// Weight is the transpose in w: for x and y.
func (c Conv) Weight(x, y []float64) Result {
	r := zeros(Matmul, c.O*volume(c.Taps)*c.C/c.Groups)
	c.each(func(i, j, k int) { r.add(j, x[i]*y[k], math.Abs(x[i]*y[k])) })
	return r
}
