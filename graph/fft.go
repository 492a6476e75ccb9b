package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// FFTNorm says which direction of a Fourier transform is scaled: the inverse one
// by 1/n, both by 1/√n, or the forward one by 1/n.
type FFTNorm string

// The norms of MLX; backward is its default.
const (
	FFTBackward FFTNorm = "backward"
	FFTOrtho    FFTNorm = "ortho"
	FFTForward  FFTNorm = "forward"
)

// scale is the factor of a transform of length n.
func (norm FFTNorm) scale(op string, n int, inverse bool) float64 {
	switch norm {
	case FFTBackward, FFTForward:
		if (norm == FFTForward) != inverse {
			return 1 / float64(n)
		}
		return 1
	case FFTOrtho:
		return 1 / math.Sqrt(float64(n))
	}
	fail(op, "norm is %q, want %q, %q or %q", string(norm), FFTBackward, FFTOrtho, FFTForward)
	return 0
}

// fourier is Σ x[j] exp(∓2πi jk/n) times scale along the last axis, for n that is
// a power of two. Of a float32 x it gives the first n/2+1 elements; a float32
// result is made of those.
type fourier struct {
	n       int
	inverse bool
	scale   float32
}

func (op fourier) String() string { return fmt.Sprintf("FFT[%d inverse=%v]", op.n, op.inverse) }

func (op fourier) Lower(l *Lowering, in, out []kernels.Tensor) {
	kernels.FFT(l, l.Contiguous(in[0]), out[0], op.n, op.inverse, op.scale)
}

// VJP is the transform in the other direction. Of the elements that stand for
// two, a real input has half as much of each and a real output twice.
func (op fourier) VJP(c *Cotangents) []*Array {
	x, g := c.In[0], c.Cot[0]
	op.inverse = !op.inverse
	switch {
	case x.dtype == metal.Float32:
		return []*Array{op.apply(Multiply(g, pairWeights(op.n, 0.5)), metal.Float32)}
	case g.dtype == metal.Float32:
		return []*Array{Multiply(op.apply(g, metal.Complex64), pairWeights(op.n, 2))}
	}
	return []*Array{op.apply(g, metal.Complex64)}
}

func (op fourier) VMap(b *Batch) []*Array { return b.all(op) }

// pairWeights is w for those of the first n/2+1 elements that have a mirror
// image, and 1 for the first and the middle one.
func pairWeights(n int, w float64) *Array {
	k := Arange(0, float64(n/2+1), 1, metal.Int32)
	return Where(Equal(Remainder(Multiply(k, 2), n), 0), Scalar(1, metal.Float32), Scalar(w, metal.Float32))
}

// apply runs the transform to a result of dtype dt.
func (op fourier) apply(x *Array, dt metal.DType) *Array {
	shape := slices.Clone(x.shape)
	shape[len(shape)-1] = op.n
	if x.dtype == metal.Float32 {
		shape[len(shape)-1] = op.n/2 + 1
	}
	return apply1(op, shape, dt, x)
}

// transform is fourier for every n, of x with n elements along its last axis, or
// n/2+1 if the result is real.
func (op fourier) transform(x *Array, dt metal.DType) *Array {
	if op.n&(op.n-1) == 0 {
		return op.apply(x, dt)
	}
	half := op.n/2 + 1
	switch {
	case x.dtype == metal.Float32:
		return SliceAxis(op.chirped(AsType(x, metal.Complex64)), -1, 0, half)
	case dt == metal.Float32:
		mirrored := Conj(Flip(SliceAxis(x, -1, 1, op.n-half+1), -1))
		return Real(op.chirped(Concatenate([]*Array{x, mirrored}, -1)))
	}
	return op.chirped(x)
}

// chirped is Bluestein's algorithm: with jk = (j²+k²-(k-j)²)/2 the transform is a
// convolution with a chirp, of a length that is a power of two.
func (op fourier) chirped(x *Array) *Array {
	m := 1
	for m < 2*op.n-1 {
		m *= 2
	}
	sign := -1.0
	if op.inverse {
		sign = 1
	}
	chirp, filter := make([]complex64, op.n), make([]complex64, m)
	for j := range chirp {
		s, c := math.Sincos(math.Pi * float64(j*j%(2*op.n)) / float64(op.n))
		chirp[j] = complex(float32(c), float32(sign*s))
		filter[j] = complex(float32(c), float32(-sign*s))
		if j > 0 {
			filter[m-j] = filter[j]
		}
	}
	w := FromSlice(chirp)
	wide := resized(Multiply(x, w), -1, m)
	spectrum := fourier{m, false, 1}.apply(FromSlice(filter), metal.Complex64)
	product := Multiply(fourier{m, false, 1}.apply(wide, metal.Complex64), spectrum)
	sums := fourier{m, true, op.scale / float32(m)}.apply(product, metal.Complex64)
	return Multiply(SliceAxis(sums, -1, 0, op.n), w)
}

// resized cuts an axis to n elements, or adds zeros behind.
func resized(a *Array, axis, n int) *Array {
	axis = normAxis("FFT", axis, len(a.shape))
	d := a.shape[axis]
	if n <= d {
		return SliceAxis(a, axis, 0, n)
	}
	widths := make([][2]int, len(a.shape))
	widths[axis][1] = n - d
	return Pad(a, widths, 0)
}

// fftCall is one of the public functions, along one axis.
type fftCall struct {
	name                    string
	inverse, realIn, realTo bool
}

// along transforms n elements (0: as many as there are) of one axis of a.
func (f fftCall) along(a *Array, n, axis int, norm FFTNorm) *Array {
	present(f.name, a)
	axis = normAxis(f.name, axis, len(a.shape))
	if n == 0 {
		n = a.shape[axis]
		if f.realTo {
			n = 2 * (n - 1)
		}
	}
	check(n > 0, f.name, "%d elements along axis %d of %v, want at least 1", n, axis, a.shape)
	longest := kernels.MaxFFT
	if n&(n-1) != 0 {
		longest /= 2
	}
	check(n <= longest, f.name, "%d elements along axis %d, want at most %d (%d for powers of two)", n, axis, kernels.MaxFFT/2, kernels.MaxFFT)
	op := fourier{n, f.inverse, float32(norm.scale(f.name, n, f.inverse))}
	from, to, ins := metal.Complex64, metal.Complex64, n
	if f.realIn {
		from = metal.Float32
	}
	if f.realTo {
		to, ins = metal.Float32, n/2+1
	}
	a = resized(AsType(a, from), axis, ins)
	return SwapAxes(op.transform(SwapAxes(a, axis, -1), to), axis, -1)
}

// over transforms several axes; sizes nil means as many elements as there are,
// axes nil all axes.
func (f fftCall) over(a *Array, sizes, axes []int, norm FFTNorm) *Array {
	present(f.name, a)
	check(axes != nil || sizes == nil, f.name, "there are sizes %v without axes", sizes)
	if axes == nil {
		axes = foldOf(f.name, a.shape, nil).inside
	}
	foldOf(f.name, a.shape, axes) // no axis twice
	check(sizes == nil || len(sizes) == len(axes), f.name, "sizes %v and axes %v differ in number", sizes, axes)
	size := func(i int) int {
		if sizes == nil {
			return 0
		}
		check(sizes[i] > 0, f.name, "%d elements along axis %d, want at least 1", sizes[i], axes[i])
		return sizes[i]
	}
	plain := fftCall{name: f.name, inverse: f.inverse}
	last := len(axes) - 1
	if f.realIn && last >= 0 {
		a = f.along(a, size(last), axes[last], norm)
		last--
	}
	for i := last; i >= 0; i-- {
		if i == len(axes)-1 && f.realTo {
			continue
		}
		a = plain.along(a, size(i), axes[i], norm)
	}
	if f.realTo && last >= 0 {
		a = f.along(a, size(last), axes[last], norm)
	}
	return a
}

// lastTwo is the axes of the transforms of two axes.
func lastTwo(axes []int) []int {
	if axes == nil {
		return []int{-2, -1}
	}
	return axes
}

// FFT is the discrete Fourier transform along axis, complex64: of the first n
// elements, or of all and zeros behind them if there are fewer; n 0 means as many
// as there are. Lengths that are a power of two take one pass, others three
// longer ones. Mirrors mx.fft.fft.
func FFT(a *Array, n, axis int, norm FFTNorm) *Array {
	return fftCall{name: "FFT"}.along(a, n, axis, norm)
}

// IFFT is the inverse of FFT. Mirrors mx.fft.ifft.
func IFFT(a *Array, n, axis int, norm FFTNorm) *Array {
	return fftCall{name: "IFFT", inverse: true}.along(a, n, axis, norm)
}

// RFFT is the first n/2+1 elements of the transform of a real array; the others
// are their conjugates. The imaginary part of a complex array is left out.
// Mirrors mx.fft.rfft.
func RFFT(a *Array, n, axis int, norm FFTNorm) *Array {
	return fftCall{name: "RFFT", realIn: true}.along(a, n, axis, norm)
}

// IRFFT is the inverse of RFFT, float32: n elements of the n/2+1 first ones of
// their transform; n 0 means 2(d-1) for an axis of d. Mirrors mx.fft.irfft.
func IRFFT(a *Array, n, axis int, norm FFTNorm) *Array {
	return fftCall{name: "IRFFT", inverse: true, realTo: true}.along(a, n, axis, norm)
}

// FFT2 is FFTN over the last two axes unless axes says others. Mirrors
// mx.fft.fft2.
func FFT2(a *Array, sizes, axes []int, norm FFTNorm) *Array {
	return fftCall{name: "FFT2"}.over(a, sizes, lastTwo(axes), norm)
}

// IFFT2 is the inverse of FFT2. Mirrors mx.fft.ifft2.
func IFFT2(a *Array, sizes, axes []int, norm FFTNorm) *Array {
	return fftCall{name: "IFFT2", inverse: true}.over(a, sizes, lastTwo(axes), norm)
}

// RFFT2 is RFFTN over the last two axes unless axes says others. Mirrors
// mx.fft.rfft2.
func RFFT2(a *Array, sizes, axes []int, norm FFTNorm) *Array {
	return fftCall{name: "RFFT2", realIn: true}.over(a, sizes, lastTwo(axes), norm)
}

// IRFFT2 is the inverse of RFFT2. Mirrors mx.fft.irfft2.
func IRFFT2(a *Array, sizes, axes []int, norm FFTNorm) *Array {
	return fftCall{name: "IRFFT2", inverse: true, realTo: true}.over(a, sizes, lastTwo(axes), norm)
}

// FFTN is FFT along each of the axes (nil: all), of as many elements as sizes
// says for each (nil: as there are). Mirrors mx.fft.fftn.
func FFTN(a *Array, sizes, axes []int, norm FFTNorm) *Array {
	return fftCall{name: "FFTN"}.over(a, sizes, axes, norm)
}

// IFFTN is the inverse of FFTN. Mirrors mx.fft.ifftn.
func IFFTN(a *Array, sizes, axes []int, norm FFTNorm) *Array {
	return fftCall{name: "IFFTN", inverse: true}.over(a, sizes, axes, norm)
}

// RFFTN is RFFT along the last of the axes and FFT along the others. Mirrors
// mx.fft.rfftn.
func RFFTN(a *Array, sizes, axes []int, norm FFTNorm) *Array {
	return fftCall{name: "RFFTN", realIn: true}.over(a, sizes, axes, norm)
}

// IRFFTN is the inverse of RFFTN. Mirrors mx.fft.irfftn.
func IRFFTN(a *Array, sizes, axes []int, norm FFTNorm) *Array {
	return fftCall{name: "IRFFTN", inverse: true, realTo: true}.over(a, sizes, axes, norm)
}

// FFTFreq is the frequencies that belong to the elements of a transform of
// length n of samples that are d apart, float32. Mirrors mx.fft.fftfreq.
func FFTFreq(n int, d float64) *Array {
	up := frequencies("FFTFreq", n, d, 0, (n+1)/2)
	return Concatenate([]*Array{up, frequencies("FFTFreq", n, d, -(n / 2), 0)}, 0)
}

// RFFTFreq is FFTFreq of the elements that RFFT gives, all positive. Mirrors
// mx.fft.rfftfreq.
func RFFTFreq(n int, d float64) *Array { return frequencies("RFFTFreq", n, d, 0, n/2+1) }

func frequencies(op string, n int, d float64, from, to int) *Array {
	check(n > 0 && n < math.MaxInt32, op, "length is %d, want a positive number", n)
	check(d != 0, op, "the distance of the samples is 0")
	return Multiply(Arange(float64(from), float64(to), 1, metal.Float32), 1/(float64(n)*d))
}

// FFTShift moves the element of frequency 0 to the middle of each of the axes
// (nil: all). Mirrors mx.fft.fftshift.
func FFTShift(a *Array, axes []int) *Array {
	return shifted("FFTShift", a, axes, func(d int) int { return d / 2 })
}

// IFFTShift is the inverse of FFTShift. Mirrors mx.fft.ifftshift.
func IFFTShift(a *Array, axes []int) *Array {
	return shifted("IFFTShift", a, axes, func(d int) int { return -(d / 2) })
}

func shifted(op string, a *Array, axes []int, by func(d int) int) *Array {
	present(op, a)
	for _, ax := range foldOf(op, a.shape, axes).inside {
		a = Roll(a, by(a.shape[ax]), ax)
	}
	return a
}
