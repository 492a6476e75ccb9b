package graphtest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// Tensor is a named tensor of a golden file.
type Tensor struct {
	DType metal.DType
	Shape []int
	Raw   []byte
}

// Array is the tensor as a constant of the engine.
func (t Tensor) Array() *graph.Array { return graph.FromBytes(t.Raw, t.DType, t.Shape...) }

// Size is the number of elements.
func (t Tensor) Size() int { return len(t.Raw) / t.DType.Size() }

var safetensorsTypes = map[string]metal.DType{
	"BOOL": metal.Bool, "U8": metal.Uint8, "U16": metal.Uint16, "U32": metal.Uint32, "U64": metal.Uint64, "I8": metal.Int8, "I16": metal.Int16,
	"I32": metal.Int32, "I64": metal.Int64, "F16": metal.Float16, "BF16": metal.BFloat16, "F32": metal.Float32, "F64": metal.Float64, "C64": metal.Complex64,
}

// readTensors reads a whole safetensors file.
func readTensors(path string) (map[string]Tensor, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(raw) < 8 || uint64(len(raw)-8) < binary.LittleEndian.Uint64(raw) {
		return nil, fmt.Errorf("%s: header is cut off", path)
	}
	n := binary.LittleEndian.Uint64(raw)
	var header map[string]json.RawMessage
	if err := json.Unmarshal(raw[8:8+n], &header); err != nil {
		return nil, fmt.Errorf("%s: header: %w", path, err)
	}
	data := raw[8+n:]
	out := map[string]Tensor{}
	for name, entry := range header {
		if name == "__metadata__" {
			continue
		}
		var e struct {
			DType   string   `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}
		if err := json.Unmarshal(entry, &e); err != nil {
			return nil, fmt.Errorf("%s: tensor %q: %w", path, name, err)
		}
		dt, ok := safetensorsTypes[e.DType]
		if !ok || e.Offsets[0] < 0 || e.Offsets[1] < e.Offsets[0] || e.Offsets[1] > int64(len(data)) {
			return nil, fmt.Errorf("%s: tensor %q: dtype %s at %v is not readable", path, name, e.DType, e.Offsets)
		}
		out[name] = Tensor{dt, e.Shape, data[e.Offsets[0]:e.Offsets[1]]}
	}
	return out, nil
}
