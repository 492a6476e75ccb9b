package kernels

import (
	"math/bits"

	"github.com/ftmetal/ftmetal/metal"
)

// fftMax is FFT_MAX of fft.h; MaxFFT is the longest transform, of two launches.
const (
	fftMax = 2048
	MaxFFT = fftMax * fftMax
)

// fftArgs mirrors FftArgs of fft.h.
type fftArgs struct {
	rows                           uint64
	inRow, inInner, inStride       int64
	outRow, outInner, outStride    int64
	n, inner, total, outs, threads uint32
	inverse, hermitian, twiddle    uint32
	scale                          float32
	_                              uint32
}

// FFT is the discrete Fourier transform of length n, a power of two up to
// MaxFFT, of the rows of x, times scale; with exp(+2πi jk/n) if inverse is set.
// Both are contiguous: of complex64, x and out are [rows, n]. Of a real x,
// float32, out has the first n/2+1 elements. For a real out, x has those, and
// the others are their conjugates.
func FFT(e Emitter, x, out Tensor, n int, inverse bool, scale float32) {
	if out.Size() == 0 {
		return
	}
	rows, ins := lastAxis(x)
	_, outs := lastAxis(out)
	if n > MaxFFT || n&(n-1) != 0 {
		refuse("FFT: length %d is not a power of two up to %d", n, MaxFFT)
	}
	args := fftArgs{rows: uint64(rows), inRow: int64(ins), inStride: 1, outRow: int64(outs), outStride: 1, n: u32(n), inner: 1, total: u32(n), outs: u32(outs),
		inverse: flag(inverse), hermitian: flag(out.DType == metal.Float32), scale: scale}
	if n <= fftMax {
		args.emit(e, x, out)
		return
	}
	// Element j is j1·n2 + j2, element k of the result k1 + n1·k2.
	n1 := 1 << ((bits.Len(uint(n)) - 1) / 2)
	n2 := n / n1
	first := args
	first.rows, first.n, first.inner, first.inInner, first.inStride = uint64(rows*n2), u32(n1), u32(n2), 1, int64(n2)
	first.outRow, first.outInner, first.outStride, first.outs, first.twiddle, first.scale = int64(n), 1, int64(n2), u32(n), 1, 1
	between := Scratch(e, metal.Complex64, rows, n)
	first.emit(e, x, between)
	args.rows, args.n, args.inner, args.inRow, args.inInner, args.hermitian = uint64(rows*n1), u32(n2), u32(n1), int64(n), int64(n2), 0
	args.outInner, args.outStride = 1, int64(n1)
	args.emit(e, between, out)
}

func (args fftArgs) emit(e Emitter, x, out Tensor) {
	n := int(args.n)
	args.threads = uint32(max(n/4, 1))
	group := max(1, min(256/int(args.threads), fftMax/n))
	e.Emit(metal.Dispatch{Kernel: name(name("fft", x.DType), out.DType), In: []metal.View{x.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: metal.Size{X: int(args.threads), Y: int(u32(int(args.rows))), Z: 1}, Group: metal.Size{X: int(args.threads), Y: min(group, int(args.rows)), Z: 1},
		FLOPs: int64(5*n*bits.Len(uint(n))) * int64(args.rows)})
}
