// Package kerneltest is the table of kernel cases: every launch function of
// package kernels, in every dtype, at the sizes where kernels go wrong, with the
// float64 reference of package ref as the truth. Any device can run it.
//
// One op family is one file, and adding a family is adding that file: nothing
// else lists it.
//
//	// cases_scale.go
//	var _ = add(Case{
//		Op: "scale", DTypes: floats, Dims: [][]int{{1}, {31}, {32}, {33}, {2, 257}}, Fills: []Fill{Uniform, Special},
//		Make: func(s *Setup) {
//			x := s.In(s.DType, s.Dims...)   // filled as s.Fill says; x.Values are the rounded float64s
//			y := s.Out(s.DType, s.Dims...)  // garbage, with guard bytes round it
//			s.Launch(func(e kernels.Emitter) { kernels.Scale(e, x.Tensor, y.Tensor, 2) })
//			s.Want(y, func() ref.Result { return ref.Scale(x.Values, 2) })
//		},
//	})
//
// Op is the stem, or the stem and a variant ("unary/Exp"); a gradient is a case
// of its own ("rms_norm_vjp"). A case is one element of DTypes × Dims × Fills.
// Its name, such as rms_norm/bf16/2x31/outliers, seeds its values, so that it has
// the same ones on every device. Dims means what Make takes it to mean (M, N, K
// for a matrix product); Setup has more kinds of operands: s.InOut (an output
// that is read), s.InOf (values of the case's own), s.InFill, s.InWords, and with
// strides s.InLayout and s.OutLayout.
// Large sizes, for benchmarks only, go to Bench.
//
// Sizes: one below, at and above the simd width (32), the threadgroup's size and
// the length at which a kernel starts to loop; a pair of odd primes; a case
// without elements. The whole table has to run in seconds on one processor, with
// a fiber for each thread where kernels have barriers: keep cases small.
//
// Instance.Check compares one case's outputs with the reference, and looks whether
// anything outside outputs and scratch memory changed: ftmetal doctor calls it.
// Run does so for the whole table in a test; Same, that another device or mode gives the same bits;
// InPlace, that outputs may take the memory that Dispatch.InPlace promises; Cover
// counts cases by op, dtype and kernel; Bench times the large sizes.
package kerneltest
