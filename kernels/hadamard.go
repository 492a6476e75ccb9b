package kernels

import (
	"math/bits"

	"github.com/ftmetal/ftmetal/metal"
)

// hadamardMax is HADAMARD_MAX of hadamard.h.
const hadamardMax = 4096

// hadamardArgs mirrors HadamardArgs of hadamard.h.
type hadamardArgs struct {
	inner      uint64
	n, threads uint32
	scale      float32
	_          uint32
}

// hadamardMixArgs mirrors HadamardMixArgs of hadamard.h.
type hadamardMixArgs struct {
	inner, size uint64
	n           uint32
	scale       float32
	signs       [28]uint32
}

// hadamardSigns is matrices of signs whose rows are orthogonal, of the sizes that
// are no power of two, as MLX has them: a bit is set where an element is 1.
var hadamardSigns = map[int][]uint32{
	12: {0xffd, 0x554, 0xc37, 0x691, 0xdf, 0xa45, 0x373, 0x919, 0xdc3, 0x469, 0x70f, 0x1a5},
	20: {0x6cc21, 0xd1c42, 0xab884, 0x5f108, 0xb6610, 0x9c83e, 0x3945d, 0x7289b, 0xe5117, 0xca60f, 0xf05ac, 0xe8b58, 0xd92b1, 0xba163, 0x7c2c6, 0x8592, 0x10b05, 0x2122a, 0x42074, 0x840c9},
	28: {0x3296181, 0x6528382, 0xc854704, 0x92a8e08, 0x2751c10, 0x4ca7820, 0x994b0c0, 0x4b980bc, 0x9534178, 0x2a6c271, 0x54d8463, 0xa9b0847, 0x536500f, 0xa4ce01e, 0x7804cda, 0xf009935, 0xe21326a, 0xc6224d5, 0x8e409ab, 0x1e81356, 0x3d0262d, 0x30ed66, 0x41dacd, 0x83b51b, 0x1072ab6, 0x20e15ec, 0x41c2b59, 0x81856b3},
}

// HadamardFactors is n as the size of a matrix of signs, 1, 12, 20 or 28, times a
// power of two; ok is false if it is not of that form.
func HadamardFactors(n int) (m, power int, ok bool) {
	for _, m := range []int{1, 12, 20, 28} {
		if p := n / m; p > 0 && p*m == n && p&(p-1) == 0 {
			return m, p, true
		}
	}
	return 0, 0, false
}

// HadamardMatrix is the matrix of signs of size 1, 12, 20 or 28.
func HadamardMatrix(m int) [][]float64 {
	rows := make([][]float64, m)
	for r := range rows {
		for c := range m {
			sign := -1.0
			if m == 1 || hadamardSigns[m][r]>>c&1 != 0 {
				sign = 1
			}
			rows[r] = append(rows[r], sign)
		}
	}
	return rows
}

// Hadamard is the Walsh-Hadamard transform of the rows of x, times scale: with
// the Kronecker product of a matrix of signs and that of a power of two
// (HadamardFactors), or its transpose. x and out are contiguous and of one dtype.
func Hadamard(e Emitter, x, out Tensor, scale float32, transposed bool) {
	if out.Size() == 0 {
		return
	}
	rows, n := lastAxis(x)
	m, power, ok := HadamardFactors(n)
	if !ok || x.DType == metal.Float64 {
		refuse("Hadamard: rows of %d %s are not supported", n, x.DType)
	}
	var steps []func(from, to Tensor, scale float32)
	step := func(outer, n, inner int) {
		steps = append(steps, func(from, to Tensor, scale float32) { hadamardPower(e, from, to, outer*inner, n, inner, scale) })
	}
	switch {
	case power > hadamardMax:
		first := 1 << ((bits.Len(uint(power)) - 1) / 2)
		if power/first > hadamardMax {
			refuse("Hadamard: rows of %d are longer than %d·%d·%d", n, m, hadamardMax, hadamardMax)
		}
		step(rows*m, power/first, first)
		step(rows*m*power/first, first, 1)
	case power > 1 || m == 1:
		step(rows*m, power, 1)
	}
	if m > 1 {
		steps = append(steps, func(from, to Tensor, scale float32) { hadamardMix(e, from, to, m, power, scale, transposed) })
	}
	for i, run := range steps {
		to, factor := out, scale
		if i < len(steps)-1 {
			to, factor = Scratch(e, metal.Float32, out.Shape...), 1
		}
		run(x, to, factor)
		x = to
	}
}

func hadamardPower(e Emitter, x, out Tensor, rows, n, inner int, scale float32) {
	threads := max(1, min(n/2, 256))
	args := hadamardArgs{inner: uint64(inner), n: u32(n), threads: u32(threads), scale: scale}
	group := max(1, min(256/threads, hadamardMax/n, rows))
	e.Emit(metal.Dispatch{Kernel: name(name("hadamard", x.DType), out.DType), In: []metal.View{x.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: metal.Size{X: threads, Y: int(u32(rows)), Z: 1}, Group: metal.Size{X: threads, Y: group, Z: 1}, FLOPs: int64(x.Size()) * int64(bits.Len(uint(n)))})
}

func hadamardMix(e Emitter, x, out Tensor, m, inner int, scale float32, transposed bool) {
	args := hadamardMixArgs{inner: uint64(inner), size: uint64(x.Size()), n: u32(m), scale: scale}
	for r, row := range hadamardSigns[m] {
		for c := range m {
			bit := row >> c & 1
			if transposed {
				args.signs[c] |= bit << r
			} else {
				args.signs[r] |= bit << c
			}
		}
	}
	grid, group := gridFor(x.Size())
	e.Emit(metal.Dispatch{Kernel: name(name("hadamard_mix", x.DType), out.DType), In: []metal.View{x.View}, Out: []metal.View{out.View}, Args: bytesOf(&args),
		Grid: grid, Group: group, FLOPs: int64(x.Size()) * int64(m)})
}
