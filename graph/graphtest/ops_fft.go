package graphtest

import "github.com/ftmetal/ftmetal/graph"

// fftOps is mx.fft.
var fftOps = map[string]*opEntry{
	"mx.fft.fft":    fftOf(graph.FFT),
	"mx.fft.ifft":   fftOf(graph.IFFT),
	"mx.fft.rfft":   fftOf(graph.RFFT),
	"mx.fft.irfft":  fftOf(graph.IRFFT),
	"mx.fft.fft2":   fftOver(graph.FFT2),
	"mx.fft.ifft2":  fftOver(graph.IFFT2),
	"mx.fft.rfft2":  fftOver(graph.RFFT2),
	"mx.fft.irfft2": fftOver(graph.IRFFT2),
	"mx.fft.fftn":   fftOver(graph.FFTN),
	"mx.fft.ifftn":  fftOver(graph.IFFTN),
	"mx.fft.rfftn":  fftOver(graph.RFFTN),
	"mx.fft.irfftn": fftOver(graph.IRFFTN),
	"mx.fft.fftfreq": general(exact, "n d", func(c *call) *graph.Array {
		return graph.FFTFreq(c.integer("n", 0), c.number("d", 1))
	}),
	"mx.fft.rfftfreq": general(exact, "n d", func(c *call) *graph.Array {
		return graph.RFFTFreq(c.integer("n", 0), c.number("d", 1))
	}),
	"mx.fft.fftshift":  arrayOf(exact, "a axes", func(c *call, a *graph.Array) *graph.Array { return graph.FFTShift(a, c.ints("axes")) }),
	"mx.fft.ifftshift": arrayOf(exact, "a axes", func(c *call, a *graph.Array) *graph.Array { return graph.IFFTShift(a, c.ints("axes")) }),
}

func fftOf(fn func(a *graph.Array, n, axis int, norm graph.FFTNorm) *graph.Array) *opEntry {
	return arrayOf(product, "a n axis norm", func(c *call, a *graph.Array) *graph.Array {
		return fn(a, c.integer("n", 0), c.integer("axis", -1), graph.FFTNorm(c.text("norm", "backward")))
	})
}

func fftOver(fn func(a *graph.Array, sizes, axes []int, norm graph.FFTNorm) *graph.Array) *opEntry {
	return arrayOf(product, "a s axes norm", func(c *call, a *graph.Array) *graph.Array {
		return fn(a, c.ints("s"), c.ints("axes"), graph.FFTNorm(c.text("norm", "backward")))
	})
}
