package graph_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/graphtest"
)

// functionFiles is files with every op.
var functionFiles = sync.OnceValue(func() func(t testing.TB) [][]byte {
	var files [][]byte
	return func(t testing.TB) [][]byte {
		if files == nil {
			for _, c := range append(gradCases(t), flatCases()...) {
				files = append(files, exported(t, c.fn, c.in))
			}
			for _, c := range gradCases(t) {
				files = append(files, exported(t, graphtest.GradOf(c.fn), c.in))
			}
		}
		return files
	}
})

// damaged is a file whose header says something else somewhere.
func (c *calls) damaged(file []byte) []byte {
	n := 16 + int(binary.LittleEndian.Uint32(file[12:]))
	var header any
	if err := json.Unmarshal(file[16:n], &header); err != nil {
		panic(err)
	}
	for range 1 + c.below(3) {
		header = c.changed(header)
	}
	text, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	out := binary.LittleEndian.AppendUint32(slices.Clone(file[:12]), uint32(len(text)))
	return slices.Concat(out, text, file[n:])
}

// changed is v with a change in a place that the bytes choose.
func (c *calls) changed(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return v
		}
		keys := slices.Sorted(maps.Keys(v))
		k := keys[c.below(len(keys))]
		v[k] = c.changed(v[k])
	case []any:
		if len(v) == 0 {
			return v
		}
		i := c.below(len(v))
		switch c.below(12) {
		case 0:
			return slices.Delete(v, i, i+1)
		case 1:
			return slices.Insert(v, i, v[c.below(len(v))])
		default:
			v[i] = c.changed(v[i])
		}
	case float64:
		return pick(c, v+1, v-1, 0, 1, -v, 2*v, 7, 1e6, 1e12, v+2)
	case string:
		if x, err := strconv.ParseFloat(v, 64); err == nil {
			return strconv.FormatFloat(pick(c, x+1, x-1, 0, -x, 2*x, 1e6, 1e12, 33), 'f', -1, 64)
		}
		if parts := strings.Fields(v); len(parts) > 1 {
			i := c.below(len(parts))
			parts[i] = pick(c, "0", "1", "-1", "2", "5", "-7", "1000000", "3 4")
			return strings.Join(parts, " ")
		}
		return pick(c, "float32", "int32", "bool", "bfloat16", "int64", "uint32", "complex64", "float64", "true", "false", "Add", "Sum", "Max", "Exp", "IsNaN", "Reshape", "affine", "CumProd")
	}
	return v
}

// tryFunction reads a file and computes what can be read.
func tryFunction(t *testing.T, file []byte) (read bool) {
	t.Helper()
	fn, err := graph.ImportFunction(file)
	if err != nil {
		return false
	}
	args, ok := graph.RecordedArgs(file)
	if !ok {
		return true // too large to make
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := graph.Eval(ctx, fn(args)...); err != nil && strings.HasPrefix(err.Error(), "soft: dispatch") {
		t.Fatal(err)
	}
	return true
}

// TestDamagedFunctionFiles: a file that says something else is computed, or is
// an error.
func TestDamagedFunctionFiles(t *testing.T) {
	smallRuntime(t)
	files, read := functionFiles()(t), 0
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 3000 {
		data := make([]byte, 48)
		for k := range data {
			data[k] = byte(rng.Uint32())
		}
		if tryFunction(t, (&calls{data: data}).damaged(files[i%len(files)])) {
			read++
		}
	}
	if read < 100 {
		t.Errorf("only %d of 3000 were read: the changes are too large to test anything behind the parser", read)
	}
}

// FuzzImportFunction searches for files that crash: one of functionFiles that
// the bytes change, or the bytes themselves.
func FuzzImportFunction(f *testing.F) {
	smallRuntime(f)
	files := functionFiles()(f)
	for i, file := range files {
		f.Add(uint16(i+1), []byte{0, 1, 2, 3, 4, 5, 6, 7})
		if i%16 == 0 {
			f.Add(uint16(0), file)
		}
	}
	f.Fuzz(func(t *testing.T, which uint16, data []byte) {
		if k := int(which) % (len(files) + 1); k > 0 {
			data = (&calls{data: data}).damaged(files[k-1])
		}
		tryFunction(t, data)
	})
}
