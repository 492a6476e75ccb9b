package graph

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// randomBits is threefry-2x32 over counters; its input is the key.
type randomBits struct{ constantGradient }

// Key is the random key of a seed: uint32 [2], high word first. Mirrors
// mx.random.key.
func Key(seed uint64) *Array { return FromSlice([]uint32{uint32(seed >> 32), uint32(seed)}, 2) }

// RandomBits is uniformly random words of the given shape, the same as MLX
// draws from the key. It is mlx::core::random::bits with width 4, which Python has not.
func RandomBits(shape []int, key *Array) *Array {
	present("RandomBits", key)
	check(key.dtype == metal.Uint32 && len(key.shape) == 1 && key.shape[0] == 2, "RandomBits", "key is %v, want uint32 [2]", key)
	return apply1(randomBits{}, append([]int{}, shape...), metal.Uint32, key)
}

func (randomBits) String() string { return "RandomBits" }

func (randomBits) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.RandomBits(l, l.Contiguous(in[0]), out[0])
}

// Split makes n keys [n,2] of one. Mirrors mx.random.split.
func Split(key *Array, n int) *Array { return RandomBits([]int{n, 2}, key) }

// Uniform is uniformly distributed in [lo, hi). Mirrors mx.random.uniform.
func Uniform(lo, hi any, shape []int, dt metal.DType, key *Array) *Array {
	check(dt.IsFloat() && dt != metal.Float64, "Uniform", "dtype %s, want float32, float16 or bfloat16", dt)
	u := Divide(AsType(RandomBits(shape, key), metal.Float32), 4294967295.0)
	u = AsType(Minimum(u, belowOne(dt)), dt)
	l, h := AsType(asArray("Uniform", lo), dt), AsType(asArray("Uniform", hi), dt)
	return Add(Multiply(u, Subtract(h, l)), l)
}

// belowOne is the largest value of dt below 1.
func belowOne(dt metal.DType) float64 {
	switch dt {
	case metal.Float16:
		return 1 - 1.0/2048
	case metal.BFloat16:
		return 1 - 1.0/256
	}
	return float64(math.Nextafter32(1, 0))
}

// Normal is normally distributed with mean loc and standard deviation scale,
// numbers or arrays that broadcast to shape. The parts of complex64 have half the
// variance each. Mirrors mx.random.normal.
func Normal(shape []int, dt metal.DType, loc, scale any, key *Array) *Array {
	if dt == metal.Complex64 { // parts of variance 1/2
		pairs := Normal(append(append([]int{}, shape...), 2), metal.Float32, 0.0, math.Sqrt(0.5), key)
		return spread("Normal", Reshape(View(pairs, dt), shape...), loc, scale)
	}
	u := Uniform(float64(math.Nextafter32(-1, 0)), 1.0, shape, metal.Float32, key)
	return spread("Normal", AsType(Multiply(math.Sqrt2, ErfInv(u)), dt), loc, scale)
}

// spread is x·scale + loc in x's dtype.
func spread(op string, x *Array, loc, scale any) *Array {
	in := func(v any) *Array { return castScalar(asArray(op, v), x.dtype) }
	return Add(Multiply(x, in(scale)), in(loc))
}

// Bernoulli is true with probability p. Mirrors mx.random.bernoulli.
func Bernoulli(p any, shape []int, key *Array) *Array {
	return Less(Uniform(0.0, 1.0, shape, metal.Float32, key), p)
}

// Gumbel is distributed by the standard Gumbel law. Mirrors mx.random.gumbel.
func Gumbel(shape []int, dt metal.DType, key *Array) *Array {
	return Negative(Log(Negative(Log(Uniform(0.0, 1.0, shape, dt, key)))))
}

// Laplace is distributed by Laplace's law with mean loc. Mirrors
// mx.random.laplace.
func Laplace(shape []int, dt metal.DType, loc, scale any, key *Array) *Array {
	u := Uniform(float64(math.Nextafter32(-1, 0)), 1.0, shape, metal.Float32, key)
	return spread("Laplace", AsType(Multiply(Sign(u), Log1p(Negative(Abs(u)))), dt), loc, scale)
}

// TruncatedNormal is normally distributed within [lo, hi]. Mirrors
// mx.random.truncated_normal.
func TruncatedNormal(lo, hi any, shape []int, dt metal.DType, key *Array) *Array {
	l, h := AsType(asArray("TruncatedNormal", lo), dt), AsType(asArray("TruncatedNormal", hi), dt)
	root := Scalar(math.Sqrt2, dt)
	u := Uniform(Erf(Divide(l, root)), Erf(Divide(h, root)), shape, dt, key)
	return Maximum(Minimum(h, Multiply(root, ErfInv(u))), l)
}

// RandInt is uniformly distributed among the integers in [lo, hi). Mirrors
// mx.random.randint.
func RandInt(lo, hi any, shape []int, dt metal.DType, key *Array) *Array {
	return AsType(Maximum(Floor(Uniform(lo, hi, shape, metal.Float32, key)), lo), dt)
}

// Permutation shuffles a along axis. Mirrors mx.random.permutation.
func Permutation(a *Array, axis int, key *Array) *Array {
	present("Permutation", a)
	return take(a, PermutationOf(a.Dim(axis), key), axis)
}

// PermutationOf is a random order of 0 to n-1, as uint32. Mirrors
// mx.random.permutation of an integer.
func PermutationOf(n int, key *Array) *Array { return ArgSort(RandomBits([]int{n}, key), 0) }

// Categorical draws an index along axis with the probabilities softmax(logits),
// as uint32. Mirrors mx.random.categorical.
func Categorical(logits *Array, axis int, key *Array) *Array {
	present("Categorical", logits)
	axis = normAxis("Categorical", axis, len(logits.shape))
	return categorical(logits, axis, slices.Delete(slices.Clone(logits.shape), axis, axis+1), key)
}

// CategoricalN is n draws of Categorical, along a last axis. Mirrors
// mx.random.categorical with num_samples.
func CategoricalN(logits *Array, axis, n int, key *Array) *Array {
	present("CategoricalN", logits)
	axis = normAxis("CategoricalN", axis, len(logits.shape))
	shape := append(slices.Delete(slices.Clone(logits.shape), axis, axis+1), n)
	return categorical(ExpandDims(logits, -1), axis, shape, key)
}

// CategoricalShape is draws of the given shape, to which logits' other axes
// broadcast. Mirrors mx.random.categorical with shape.
func CategoricalShape(logits *Array, axis int, shape []int, key *Array) *Array {
	present("CategoricalShape", logits)
	axis = normAxis("CategoricalShape", axis, len(logits.shape))
	others := slices.Delete(slices.Clone(logits.shape), axis, axis+1)
	check(slices.Equal(broadcastShapes("CategoricalShape", others, shape), shape), "CategoricalShape",
		"logits of shape %v do not broadcast to samples of shape %v", logits.shape, shape)
	return categorical(logits, axis, shape, key)
}

// categorical adds Gumbel noise for samples of the given shape, with the axis of
// the classes where logits have it, counted from the end.
func categorical(logits *Array, axis int, shape []int, key *Array) *Array {
	at := axis + len(shape) - len(logits.shape) + 1
	noise := Gumbel(slices.Insert(slices.Clone(shape), at, logits.shape[axis]), metal.Float32, key)
	return ArgMax(Add(noise, logits), at, false)
}

// FoldIn makes a key of a key and a number: the n-th of as many keys as are
// asked for.
func FoldIn(key *Array, n int) *Array {
	check(n >= 0 && n < math.MaxInt32, "FoldIn", "number %d, want 0 to %d", n, math.MaxInt32-1)
	return Reshape(SliceAxis(Split(key, n+1), 0, n, n+1), 2)
}
