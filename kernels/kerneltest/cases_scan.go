package kerneltest

import (
	"github.com/ftmetal/ftmetal/internal/ref"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// scanDims are [outer, n, inner]; the scan runs along the middle axis, in chunks
// of 256.
var scanDims = [][]int{{1, 1, 1}, {3, 31, 1}, {2, 33, 3}, {1, 256, 1}, {1, 257, 2}, {1, 515, 1}, {2, 0, 3}, {0, 3, 2}}

// factor is near 1, so that products neither overflow nor vanish, with infinities,
// NaN and zeros between if the fill is Special.
func factor(s *Setup) float64 {
	if s.Fill == Special && s.Rand.IntN(16) == 0 {
		return special[s.Rand.IntN(5)]
	}
	return 0.9 + 0.2*s.Rand.Float64()
}

func scanCase(op kernels.ScanOp, dtypes []metal.DType, dims [][]int, fills []Fill, reverse, exclusive bool) Case {
	name := "scan/" + string(op)
	if reverse {
		name += "/reverse"
	}
	if exclusive {
		name += "/exclusive"
	}
	return Case{
		Op: name, DTypes: dtypes, Dims: dims, Fills: fills,
		Make: func(s *Setup) {
			x := s.In(s.DType, s.Dims...)
			if op == kernels.CumProd && s.DType.IsFloat() {
				x = s.InOf(s.DType, func(int) float64 { return factor(s) }, s.Dims...)
			}
			out := s.Out(s.DType, s.Dims...)
			s.Launch(func(e kernels.Emitter) { kernels.Scan(e, op, x.Tensor, out.Tensor, 1, reverse, exclusive) })
			s.Want(out, func() ref.Result { return ref.Scan(string(op), s.DType, x.Words, s.Dims, 1, reverse, exclusive) })
		},
	}
}

func scanCases() []Case {
	var cases []Case
	small := [][]int{{2, 33, 3}, {1, 257, 1}, {2, 0, 3}}
	for _, op := range []kernels.ScanOp{kernels.CumSum, kernels.CumProd, kernels.CumMax, kernels.CumMin, kernels.LogCumSumExp} {
		fills := []Fill{Uniform, Special}
		if op == kernels.CumSum || op == kernels.LogCumSumExp {
			fills = []Fill{Uniform, Outliers, Large, Constant, Special}
		}
		for _, dir := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
			cases = append(cases, scanCase(op, floats, scanDims, fills, dir[0], dir[1]))
			if op == kernels.LogCumSumExp {
				continue
			}
			cases = append(cases, scanCase(op, integers, small, []Fill{Bits, Special}, dir[0], dir[1]))
			if op == kernels.CumMax || op == kernels.CumMin {
				cases = append(cases, scanCase(op, []metal.DType{metal.Bool}, small, nil, dir[0], dir[1]))
			}
		}
	}
	sum := scanCase(kernels.CumSum, floats, [][]int{{7, 100, 1}}, nil, false, false)
	sum.Bench = [][]int{{1024, 4096, 1}, {1, 4096, 1024}}
	return append(cases, sum)
}

var _ = add(scanCases()...)

func linearScanCase(variant string, reverse, before bool) Case {
	return Case{
		Op: "scan/linear" + variant, DTypes: []metal.DType{metal.Float32}, Dims: scanDims, Fills: []Fill{Uniform, Outliers},
		Make: func(s *Setup) {
			a := s.InFill(Uniform, metal.Float32, s.Dims...)
			c, out := s.In(metal.Float32, s.Dims...), s.Out(metal.Float32, s.Dims...)
			s.Launch(func(e kernels.Emitter) { kernels.LinearScan(e, a.Tensor, c.Tensor, out.Tensor, 1, reverse, before) })
			s.Want(out, func() ref.Result { return ref.LinearScan(a.Values, c.Values, s.Dims, 1, reverse, before) })
		},
	}
}

var _ = add(linearScanCase("", false, false), linearScanCase("/reverse", true, false), linearScanCase("/before", false, true), linearScanCase("/reverse/before", true, true))
