package graph

import "github.com/ftmetal/ftmetal/metal"

// kind orders dtypes by category: bool < integers < floats < complex.
func kind(d metal.DType) int {
	switch {
	case d == metal.Bool:
		return 0
	case d.IsInteger():
		return 1
	case d.IsFloat():
		return 2
	}
	return 3
}

// Promote is the dtype of combining a and b: JAX's table, as MLX has it
// (mlx/dtype.cpp). uint64 with a signed integer gives float32, and float16
// with bfloat16 gives float32.
func Promote(a, b metal.DType) metal.DType {
	if a == b {
		return a
	}
	ka, kb := kind(a), kind(b)
	if ka < kb {
		a, b, ka, kb = b, a, kb, ka
	}
	switch {
	case ka == 3: // complex
		return a
	case ka == 2 && kb < 2:
		return a
	case ka == 2:
		if (a == metal.Float16 && b == metal.BFloat16) || (a == metal.BFloat16 && b == metal.Float16) {
			return metal.Float32
		}
		return max(a, b)
	case kb == 0:
		return a
	}
	return promoteIntegers(a, b)
}

func promoteIntegers(a, b metal.DType) metal.DType {
	if a.IsSigned() == b.IsSigned() {
		if a.Size() > b.Size() {
			return a
		}
		return b
	}
	if a.IsSigned() {
		a, b = b, a
	}
	// a is unsigned, b signed: the next signed type that holds both.
	if a == metal.Uint64 {
		return metal.Float32
	}
	if b.Size() > a.Size() {
		return b
	}
	return map[metal.DType]metal.DType{metal.Uint8: metal.Int16, metal.Uint16: metal.Int32, metal.Uint32: metal.Int64}[a]
}

// weakPromote is the dtype of an array of dtype d with a Go scalar of dtype s:
// the scalar adopts d unless its kind is higher.
func weakPromote(d, s metal.DType) metal.DType {
	if kind(s) <= kind(d) {
		return d
	}
	return s
}

// atLeastFloat maps integers and bool to float32, as mx.exp and mx.mean do.
func atLeastFloat(d metal.DType) metal.DType {
	if kind(d) < 2 {
		return metal.Float32
	}
	return d
}
