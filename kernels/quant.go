package kernels

import (
	"fmt"

	"github.com/ftmetal/ftmetal/metal"
)

// QuantMode is a way to quantise, by MLX's name.
type QuantMode string

// The modes. Affine elements are integers with a scale and a bias per group; the
// others are small floats with a scale of 8 bits.
const (
	QuantAffine QuantMode = "affine"
	QuantMXFP4  QuantMode = "mxfp4" // e2m1 elements, scales that are powers of two
	QuantMXFP8  QuantMode = "mxfp8" // e4m3 elements, scales that are powers of two
	QuantNVFP4  QuantMode = "nvfp4" // e2m1 elements, e4m3 scales
)

// QuantFormat is how a matrix is quantised: groups of Group elements of the last
// axis share a scale, and every element takes Bits bits.
type QuantFormat struct {
	Mode  QuantMode
	Bits  int
	Group int
}

// Words is how many uint32 words n elements take.
func (f QuantFormat) Words(n int) int { return n * f.Bits / 32 }

// ScaleDType is the dtype of scales of a matrix of dtype dt.
func (f QuantFormat) ScaleDType(dt metal.DType) metal.DType {
	if f.Mode == QuantAffine {
		return dt
	}
	return metal.Uint8
}

// name is the kernel of a family for the format and a dtype.
func (f QuantFormat) name(family string, dt metal.DType) string {
	if f.Mode == QuantAffine {
		return fmt.Sprintf("%s_b%d_%s", family, f.Bits, dt.Suffix())
	}
	return fmt.Sprintf("%s_%s_%s", family, f.Mode, dt.Suffix())
}

const quantUnit = 8 // QUANT_UNIT

// quantArgs mirrors QuantArgs of quant.h.
type quantArgs struct {
	units            uint64
	group, hasGlobal uint32
}

// quantFp8Args mirrors QuantFp8Args of quant.h.
type quantFp8Args struct{ size uint64 }

// Quantize packs w [...,n] into words, uint32 [...,n·bits/32], with scales and
// biases [...,n/group]: all contiguous. Biases are affine only; global, a
// float32 scale of the whole matrix, may lack a view.
func Quantize(e Emitter, f QuantFormat, w, global, words, scales, biases Tensor) {
	args, d := f.units(w, global)
	if args.units == 0 {
		return
	}
	d.Kernel = f.name("quant_quantize", w.DType)
	d.In, d.Out = []metal.View{w.View}, []metal.View{words.View, scales.View}
	if f.Mode == QuantAffine {
		d.Out = append(d.Out, biases.View)
	} else {
		d.In = append(d.In, orElse(global.View, aligned(w.View)))
	}
	e.Emit(d)
}

// Dequantize is the inverse of Quantize: it writes out [...,n], whose dtype is
// that of affine scales and biases.
func Dequantize(e Emitter, f QuantFormat, words, scales, biases, global, out Tensor) {
	args, d := f.units(out, global)
	if args.units == 0 {
		return
	}
	absent := aligned(words.View)
	d.Kernel = f.name("quant_dequantize", out.DType)
	d.In = []metal.View{words.View, scales.View, orElse(biases.View, absent), orElse(global.View, absent)}
	d.Out = []metal.View{out.View}
	e.Emit(d)
}

// units is the dispatch of one thread per unit of w.
func (f QuantFormat) units(w, global Tensor) (quantArgs, metal.Dispatch) {
	n := w.Size() / quantUnit
	args := quantArgs{units: uint64(n), group: u32(f.Group), hasGlobal: flag(global.Bound())}
	d := metal.Dispatch{Args: bytesOf(&args), FLOPs: int64(2 * w.Size())}
	d.Grid, d.Group = gridFor(n)
	return args, d
}

// aligned is a view that suits the elements of any kernel's buffer, for operands
// that are absent.
func aligned(v metal.View) metal.View {
	v.Off &^= 3
	return v
}

// ToFP8 writes x, contiguous, as e4m3 floats to out, uint8.
func ToFP8(e Emitter, x, out Tensor) { fp8(e, name("quant_to_fp8", x.DType), x, out) }

// FromFP8 writes the e4m3 floats x, uint8 and contiguous, to out.
func FromFP8(e Emitter, x, out Tensor) { fp8(e, name("quant_from_fp8", out.DType), x, out) }

func fp8(e Emitter, kernel string, x, out Tensor) {
	if x.Size() == 0 {
		return
	}
	args := quantFp8Args{uint64(x.Size())}
	grid, group := gridFor(x.Size())
	e.Emit(metal.Dispatch{Kernel: kernel, In: []metal.View{x.View}, Out: []metal.View{out.View}, Args: bytesOf(&args), Grid: grid, Group: group,
		FLOPs: int64(x.Size())})
}
