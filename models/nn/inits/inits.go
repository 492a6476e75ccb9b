package inits

import (
	"context"
	"math"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// Initializer makes the first value of a parameter. A shape that the rule is
// not for panics with a *graph.Error.
type Initializer func(ctx context.Context, shape []int, keys *graph.KeySequence) (*graph.Array, error)

// simple is an initializer that cannot fail.
func simple(fn func(shape []int, keys *graph.KeySequence) *graph.Array) Initializer {
	return func(_ context.Context, shape []int, keys *graph.KeySequence) (*graph.Array, error) {
		return fn(shape, keys), nil
	}
}

// Constant fills with a value. Mirrors nn.init.constant.
func Constant(value float64, dt metal.DType) Initializer {
	return simple(func(shape []int, _ *graph.KeySequence) *graph.Array { return graph.Full(shape, value, dt) })
}

// Normal draws from a normal distribution. Mirrors nn.init.normal.
func Normal(mean, std float64, dt metal.DType) Initializer {
	return simple(func(shape []int, keys *graph.KeySequence) *graph.Array {
		return graph.Normal(shape, dt, mean, std, keys.Next())
	})
}

// Uniform draws from [low, high). Mirrors nn.init.uniform.
func Uniform(low, high float64, dt metal.DType) Initializer {
	return simple(func(shape []int, keys *graph.KeySequence) *graph.Array {
		return graph.Uniform(low, high, shape, dt, keys.Next())
	})
}

// Identity is the identity matrix, for square shapes. Mirrors nn.init.identity.
func Identity(dt metal.DType) Initializer {
	return simple(func(shape []int, _ *graph.KeySequence) *graph.Array {
		graph.Check(len(shape) == 2 && shape[0] == shape[1], "inits.Identity", "shape %v, want a square matrix", shape)
		return graph.Eye(shape[0], shape[1], 0, dt)
	})
}

// fans are the numbers of inputs and outputs of one element of a weight
// [out, ..., in].
func fans(op string, shape []int) (in, out float64) {
	graph.Check(len(shape) >= 2, op, "shape %v, want at least 2 axes", shape)
	field := 1
	for _, n := range shape[1 : len(shape)-1] {
		field *= n
	}
	return float64(shape[len(shape)-1] * field), float64(shape[0] * field)
}

// GlorotNormal draws with the standard deviation gain·√(2/(fan_in+fan_out)).
// Mirrors nn.init.glorot_normal.
func GlorotNormal(gain float64, dt metal.DType) Initializer {
	return simple(func(shape []int, keys *graph.KeySequence) *graph.Array {
		in, out := fans("inits.GlorotNormal", shape)
		return graph.Normal(shape, dt, 0.0, gain*math.Sqrt(2/(in+out)), keys.Next())
	})
}

// GlorotUniform draws within ±gain·√(6/(fan_in+fan_out)). Mirrors
// nn.init.glorot_uniform.
func GlorotUniform(gain float64, dt metal.DType) Initializer {
	return simple(func(shape []int, keys *graph.KeySequence) *graph.Array {
		in, out := fans("inits.GlorotUniform", shape)
		limit := gain * math.Sqrt(6/(in+out))
		return graph.Uniform(-limit, limit, shape, dt, keys.Next())
	})
}

// Fan says what He's rules divide by.
type Fan int

// The fans: inputs keep the variance of activations, outputs that of gradients.
const (
	FanIn Fan = iota
	FanOut
)

func (f Fan) of(op string, shape []int) float64 {
	in, out := fans(op, shape)
	if f == FanOut {
		return out
	}
	return in
}

// HeNormal draws with the standard deviation gain/√fan. Mirrors
// nn.init.he_normal.
func HeNormal(fan Fan, gain float64, dt metal.DType) Initializer {
	return simple(func(shape []int, keys *graph.KeySequence) *graph.Array {
		return graph.Normal(shape, dt, 0.0, gain/math.Sqrt(fan.of("inits.HeNormal", shape)), keys.Next())
	})
}

// HeUniform draws within ±gain·√(3/fan). Mirrors nn.init.he_uniform.
func HeUniform(fan Fan, gain float64, dt metal.DType) Initializer {
	return simple(func(shape []int, keys *graph.KeySequence) *graph.Array {
		limit := gain * math.Sqrt(3/fan.of("inits.HeUniform", shape))
		return graph.Uniform(-limit, limit, shape, dt, keys.Next())
	})
}

// Sparse draws a matrix from a normal distribution with the share sparsity of
// every row set to zero. Mirrors nn.init.sparse.
func Sparse(sparsity, mean, std float64, dt metal.DType) Initializer {
	return simple(func(shape []int, keys *graph.KeySequence) *graph.Array {
		graph.Check(len(shape) == 2, "inits.Sparse", "shape %v, want 2 axes", shape)
		graph.Check(sparsity >= 0 && sparsity <= 1, "inits.Sparse", "sparsity %g, want 0 to 1", sparsity)
		zeros := int(math.Ceil(sparsity * float64(shape[1])))
		order := graph.ArgSort(graph.Uniform(0.0, 1.0, shape, metal.Float32, keys.Next()), 1)
		a := graph.Normal(shape, dt, mean, std, keys.Next())
		at := graph.SliceAxis(order, 1, 0, zeros)
		return graph.PutAlongAxis(a, at, graph.Zeros(at.Shape(), dt), 1)
	})
}

// Orthogonal is gain times the upper left part of a random orthogonal matrix.
// Mirrors nn.init.orthogonal.
func Orthogonal(gain float64, dt metal.DType) Initializer {
	return func(ctx context.Context, shape []int, keys *graph.KeySequence) (*graph.Array, error) {
		graph.Check(len(shape) == 2 && min(shape[0], shape[1]) >= 0, "inits.Orthogonal", "shape %v, want 2 axes", shape)
		rows, cols := shape[0], shape[1]
		n := max(rows, cols)
		m, err := graph.Floats(ctx, graph.Normal([]int{n, n}, metal.Float32, 0.0, 1.0, keys.Next()))
		if err != nil {
			return nil, err
		}
		q := orthogonalFactor(m, n)
		out := make([]float32, 0, rows*cols)
		for i := range rows {
			for j := range cols {
				out = append(out, float32(gain*q[i*n+j]))
			}
		}
		return graph.AsType(graph.FromSlice(out, rows, cols), dt), nil
	}
}

// orthogonalFactor is Q of m = QR for a square row-major matrix, with the
// diagonal of R positive, by Householder reflections. m is overwritten.
func orthogonalFactor(m []float64, n int) []float64 {
	q := make([]float64, n*n)
	for i := range n {
		q[i*n+i] = 1
	}
	v := make([]float64, n)
	for k := range n {
		norm := 0.0
		for i := k; i < n; i++ {
			norm = math.Hypot(norm, m[i*n+k])
		}
		r := -math.Copysign(norm, m[k*n+k]) // R's diagonal element
		copyColumn(v, m, n, k)
		v[k] -= r
		reflect(m, v, n, k, false)
		reflect(q, v, n, k, true)
		if r < 0 { // a reflected axis: R's row and Q's column change sign
			for i := range n {
				q[i*n+k] = -q[i*n+k]
			}
		}
	}
	return q
}

func copyColumn(v, m []float64, n, k int) {
	for i := range n {
		v[i] = 0
		if i >= k {
			v[i] = m[i*n+k]
		}
	}
}

// reflect applies I - 2vvᵀ/vᵀv to m, from the left or from the right; v is zero
// before k.
func reflect(m, v []float64, n, k int, right bool) {
	square := 0.0
	for i := k; i < n; i++ {
		square += v[i] * v[i]
	}
	if square == 0 {
		return
	}
	for line := range n {
		at := func(i int) *float64 {
			if right {
				return &m[line*n+i]
			}
			return &m[i*n+line]
		}
		dot := 0.0
		for i := k; i < n; i++ {
			dot += v[i] * *at(i)
		}
		for i := k; i < n; i++ {
			*at(i) -= 2 * dot / square * v[i]
		}
	}
}
