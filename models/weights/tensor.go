package weights

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"

	"github.com/ftmetal/ftmetal/metal"
)

// Tensor is a named array in a file.
type Tensor struct {
	Name  string
	DType metal.DType
	Shape []int // empty for a scalar
	// Data holds the elements in row-major order, little-endian. In a tensor of
	// a File it lies in the mapping: writing to it crashes, and so does reading
	// it after Close.
	Data []byte
}

// fileDTypes are the format's names of the element types, in the order that
// the reference implementation writes them: wide ones first, so that every
// tensor is aligned without the padding that the format forbids.
var fileDTypes = [...]struct {
	name  string
	dtype metal.DType
}{
	{"U64", metal.Uint64}, {"I64", metal.Int64}, {"F64", metal.Float64}, {"C64", metal.Complex64},
	{"F32", metal.Float32}, {"U32", metal.Uint32}, {"I32", metal.Int32},
	{"BF16", metal.BFloat16}, {"F16", metal.Float16}, {"U16", metal.Uint16}, {"I16", metal.Int16},
	{"I8", metal.Int8}, {"U8", metal.Uint8}, {"BOOL", metal.Bool},
}

// narrowDTypes are the element types that the format has and ftmetal has not.
var narrowDTypes = map[string]bool{
	"F8_E4M3": true, "F8_E4M3FNUZ": true, "F8_E5M2": true, "F8_E5M2FNUZ": true, "F8_E8M0": true,
	"F6_E2M3": true, "F6_E3M2": true, "F4": true,
}

// parseDType is the element type that a header calls name.
func parseDType(name string) (metal.DType, error) {
	for _, d := range fileDTypes {
		if d.name == name {
			return d.dtype, nil
		}
	}
	if narrowDTypes[name] {
		return 0, fmt.Errorf("dtype %s is not supported (8-, 6- or 4-bit floating point; a copy in BF16 is)", name)
	}
	return 0, fmt.Errorf("unknown dtype %q", name)
}

// fileRank is the place of dt in fileDTypes, or -1.
func fileRank(dt metal.DType) int {
	for i, d := range fileDTypes {
		if d.dtype == dt {
			return i
		}
	}
	return -1
}

// byteSize is the number of bytes of a tensor, or an error if the shape is no
// shape or the product is over the range of an int64.
func byteSize(shape []int, dt metal.DType) (int64, error) {
	size := uint64(dt.Size())
	for _, n := range shape {
		if n < 0 {
			return 0, fmt.Errorf("shape %v has a negative size", shape)
		}
		hi, lo := bits.Mul64(size, uint64(n))
		if hi != 0 || lo > 1<<63-1 {
			return 0, fmt.Errorf("shape %v of %s overflows 64 bits", shape, dt)
		}
		size = lo
	}
	return int64(size), nil
}

// pathless drops the path that package os puts into its errors, where the
// caller names the file itself.
func pathless(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
