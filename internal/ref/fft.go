package ref

import "math"

// FFT is scale · Σ x[j] exp(∓2πi jk/n) of the rows of x, [rows, n], in real and
// imaginary parts side by side: the first outs of each row. The magnitude is the
// transform's mean one, which its roundings are relative to.
func FFT(x []complex128, rows, n, outs int, inverse bool, scale float64) Result {
	out := Result{Class: Matmul}
	sign := -1.0
	if inverse {
		sign = 1
	}
	for r := range rows {
		row := x[r*n : (r+1)*n]
		square := 0.0
		for _, z := range row {
			square += real(z)*real(z) + imag(z)*imag(z)
		}
		for _, z := range spectrum(row, sign)[:outs] {
			out.addComplex(z*complex(scale, 0), scale*math.Sqrt(square))
		}
	}
	return out
}

// spectrum is Σ x[j] exp(sign·2πi jk/n): of an even length by those of the
// elements at even and at odd places, of an odd one as it is written.
func spectrum(x []complex128, sign float64) []complex128 {
	n := len(x)
	root := func(k int) complex128 {
		s, c := math.Sincos(sign * 2 * math.Pi * float64(k%n) / float64(n))
		return complex(c, s)
	}
	out := make([]complex128, n)
	if n%2 == 1 {
		for k := range out {
			for j, z := range x {
				out[k] += z * root(j*k)
			}
		}
		return out
	}
	var parts [2][]complex128
	for j, z := range x {
		parts[j%2] = append(parts[j%2], z)
	}
	even, odd := spectrum(parts[0], sign), spectrum(parts[1], sign)
	for k := range out {
		out[k] = even[k%(n/2)] + root(k)*odd[k%(n/2)]
	}
	return out
}
