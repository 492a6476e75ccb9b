package ref

import "math"

// RoPEAngles says by how much each pair rotates: position·Scale/freq, with
// position Offset+t or of Positions ([T], or [B,T] if PerRow), and freq i of
// Freqs, or Base^(2i/Dims).
type RoPEAngles struct {
	Dims, Offset     int
	Base, Scale      float64
	Positions, Freqs []float64
	PerRow           bool
}

func (a RoPEAngles) at(b, t, tokens, i int) float64 {
	position := float64(a.Offset + t)
	switch {
	case a.PerRow:
		position = a.Positions[b*tokens+t]
	case a.Positions != nil:
		position = a.Positions[t]
	}
	if a.Freqs != nil {
		return position * a.Scale / a.Freqs[i]
	}
	return position * a.Scale * math.Pow(a.Base, -2*float64(i)/float64(a.Dims))
}

// RoPE rotates x of shape [B,H,T,D]. The magnitude has a term for the angle,
// whose three roundings in float32 matter the more the larger it is.
func RoPE(x []float64, shape []int, angles RoPEAngles, traditional, inverse bool) Result {
	out := Result{Class: Transcendental, Value: make([]float64, len(x)), Mag: make([]float64, len(x))}
	copy(out.Value, x)
	heads, tokens, d := shape[1], shape[2], shape[3]
	for row := range len(x) / max(d, 1) {
		b, t := row/(heads*tokens), row%tokens
		for i := range angles.Dims / 2 {
			p, q := row*d+i, row*d+i+angles.Dims/2
			if traditional {
				p, q = row*d+2*i, row*d+2*i+1
			}
			angle := angles.at(b, t, tokens, i)
			sin, cos := math.Sincos(angle)
			if inverse {
				sin = -sin
			}
			u, v := x[p], x[q]
			out.Value[p], out.Value[q] = u*cos-v*sin, u*sin+v*cos
			out.Mag[p] = math.Abs(u*cos) + math.Abs(v*sin) + math.Abs(angle)*(math.Abs(u*sin)+math.Abs(v*cos))
			out.Mag[q] = math.Abs(u*sin) + math.Abs(v*cos) + math.Abs(angle)*(math.Abs(u*cos)+math.Abs(v*sin))
		}
	}
	return out
}
