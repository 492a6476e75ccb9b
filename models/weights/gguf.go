package weights

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/internal/atomicfile"
	"github.com/ftmetal/ftmetal/metal"
)

// ggufAlign is the alignment of the tensors in a GGUF file that says nothing of
// it.
const ggufAlign = 32

// ggufTensors is the codes of tensors' types.
var ggufTensors = map[metal.DType]uint32{metal.Float32: 0, metal.Float16: 1, metal.Int8: 24, metal.Int16: 25, metal.Int32: 26,
	metal.Int64: 27, metal.Float64: 28, metal.BFloat16: 30}

// ggufValues is the codes of numbers in metadata.
var ggufValues = map[metal.DType]uint32{metal.Uint8: 0, metal.Int8: 1, metal.Uint16: 2, metal.Int16: 3, metal.Uint32: 4, metal.Int32: 5,
	metal.Float32: 6, metal.Bool: 7, metal.Uint64: 10, metal.Int64: 11, metal.Float64: 12}

const (
	ggufString = 8
	ggufArray  = 9
)

// SaveGGUF evaluates arrays and writes them to a GGUF file of version 3, in one
// step. The values of metadata, which may be nil, are a string, a []string, or
// an array with no axes or one. Arrays are floats of 16, 32 and 64 bits or
// integers with a sign. The same content gives the same bytes. Mirrors
// mx.save_gguf.
func SaveGGUF(ctx context.Context, path string, arrays map[string]*graph.Array, metadata map[string]any) error {
	err := saveGGUF(ctx, path, arrays, metadata)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return nil
}

func saveGGUF(ctx context.Context, path string, arrays map[string]*graph.Array, metadata map[string]any) error {
	tensors, err := tensorsOf(ctx, arrays)
	if err != nil {
		return err
	}
	h := &ggufHeader{}
	h.WriteString("GGUF")
	h.number(uint32(3), uint64(len(tensors)), uint64(len(metadata)))
	for _, k := range slices.Sorted(maps.Keys(metadata)) {
		h.text(k)
		if err := h.value(ctx, metadata[k]); err != nil {
			return fmt.Errorf("metadata %s: %w", k, err)
		}
	}
	var offset uint64
	for _, t := range tensors {
		code, ok := ggufTensors[t.DType]
		if !ok {
			return fmt.Errorf("array %s is %s, which GGUF has not", t.Name, t.DType)
		}
		h.text(t.Name)
		h.number(uint32(len(t.Shape)))
		for _, d := range slices.Backward(t.Shape) { // the fastest axis first
			h.number(uint64(d))
		}
		h.number(code, offset)
		offset += uint64(len(t.Data) + ggufPadding(len(t.Data)))
	}
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		last := h.Bytes() // what comes before is filled up, the end is not
		for _, t := range tensors {
			if _, err := w.Write(last); err != nil {
				return err
			}
			if _, err := w.Write(make([]byte, ggufPadding(len(last)))); err != nil {
				return err
			}
			last = t.Data
		}
		_, err := w.Write(last)
		return err
	})
}

// ggufPadding is how many bytes fill up n.
func ggufPadding(n int) int { return (ggufAlign - n%ggufAlign) % ggufAlign }

// ggufHeader is what comes before the tensors.
type ggufHeader struct{ bytes.Buffer }

func (h *ggufHeader) number(values ...any) {
	for _, v := range values {
		// Writing numbers to memory does not fail.
		_ = binary.Write(h, binary.LittleEndian, v)
	}
}

func (h *ggufHeader) text(s string) {
	h.number(uint64(len(s)))
	h.WriteString(s)
}

// value writes an entry of the metadata with its type.
func (h *ggufHeader) value(ctx context.Context, v any) error {
	switch v := v.(type) {
	case string:
		h.number(uint32(ggufString))
		h.text(v)
	case []string:
		h.number(uint32(ggufArray), uint32(ggufString), uint64(len(v)))
		for _, s := range v {
			h.text(s)
		}
	case *graph.Array:
		if v == nil || v.NDim() > 1 {
			return fmt.Errorf("array is %v, want one with at most one axis", v)
		}
		code, ok := ggufValues[v.DType()]
		if !ok {
			return fmt.Errorf("array is %v, which GGUF has not", v)
		}
		raw, err := graph.Bytes(ctx, v)
		if err != nil {
			return err
		}
		if v.NDim() == 1 {
			h.number(uint32(ggufArray), code, uint64(v.Dim(0)))
		} else {
			h.number(code)
		}
		h.Write(raw)
	default:
		return fmt.Errorf("value is a %T, want a string, a []string or an array", v)
	}
	return nil
}
