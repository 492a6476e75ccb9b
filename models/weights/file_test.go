package weights

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ftmetal/ftmetal/metal"
)

// raw makes the bytes of a safetensors file.
func raw(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

// encode is the little-endian bytes of v.
func encode(t testing.TB, v any) []byte {
	var b bytes.Buffer
	require.NoError(t, binary.Write(&b, binary.LittleEndian, v))
	return b.Bytes()
}

// goldenTensors is what testdata/golden.safetensors holds. The file was written
// by the Python package safetensors 0.8.0 from NumPy and ml_dtypes arrays.
func goldenTensors(t testing.TB) []Tensor {
	shape := []int{2, 3}
	floats := []float64{0, math.Copysign(0, -1), 1.5, -2.25, 3.140625, -1e-3}
	narrow := make([]float32, len(floats))
	for i, v := range floats {
		narrow[i] = float32(v)
	}
	return []Tensor{
		{"bfloat16", metal.BFloat16, shape, encode(t, []uint16{0, 0x8000, 0x3fc0, 0xc010, 0x4049, 0xba83})},
		{"bool", metal.Bool, shape, []byte{1, 0, 1, 0, 0, 1}},
		{"complex64", metal.Complex64, shape, encode(t, []complex64{0, 1 + 2i, complex(float32(math.Copysign(0, -1)), -3.5), 4, 5, -6 - 7i})},
		{"empty", metal.Float16, []int{0, 4}, []byte{}},
		{"float16", metal.Float16, shape, encode(t, []uint16{0, 0x8000, 0x3e00, 0xc080, 0x4248, 0x9419})},
		{"float32", metal.Float32, shape, encode(t, narrow)},
		{"float64", metal.Float64, shape, encode(t, floats)},
		{"größe \"<&>\\", metal.Uint8, []int{3}, []byte{1, 2, 3}},
		{"int16", metal.Int16, shape, encode(t, []int16{0, 1, -2, 3, math.MinInt16, math.MaxInt16})},
		{"int32", metal.Int32, shape, encode(t, []int32{0, 1, -2, 3, math.MinInt32, math.MaxInt32})},
		{"int64", metal.Int64, shape, encode(t, []int64{0, 1, -2, 3, math.MinInt64, math.MaxInt64})},
		{"int8", metal.Int8, shape, encode(t, []int8{0, 1, -2, 3, math.MinInt8, math.MaxInt8})},
		{"scalar", metal.Float32, []int{}, encode(t, float32(7))},
		{"uint16", metal.Uint16, shape, encode(t, []uint16{0, 1, 2, 3, 4, math.MaxUint16})},
		{"uint32", metal.Uint32, shape, encode(t, []uint32{0, 1, 2, 3, 4, math.MaxUint32})},
		{"uint64", metal.Uint64, shape, encode(t, []uint64{0, 1, 2, 3, 4, math.MaxUint64})},
		{"uint8", metal.Uint8, shape, []byte{0, 1, 2, 3, 4, 255}},
	}
}

var goldenMetadata = map[string]string{"format": "pt", "note": `größe <&> "quoted"`}

func TestOpenGolden(t *testing.T) {
	f, err := Open("testdata/golden.safetensors")
	require.NoError(t, err)
	want := goldenTensors(t)
	require.Equal(t, want, f.Tensors())
	require.Equal(t, goldenMetadata, f.Metadata())
	require.Equal(t, "testdata/golden.safetensors", f.Path())
	for _, w := range want {
		got, ok := f.Lookup(w.Name)
		require.True(t, ok)
		require.Equal(t, w, got)
		require.Equal(t, len(got.Data), cap(got.Data), "%s reaches into its neighbour", w.Name)
	}
	for _, name := range []string{"", "bool ", "zzz", "__metadata__"} {
		_, ok := f.Lookup(name)
		require.False(t, ok, name)
	}
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	require.Empty(t, f.Tensors())
}

// Every dtype of the engine has a place in files, once.
func TestFileDTypes(t *testing.T) {
	for _, dt := range metal.DTypes() {
		i := fileRank(dt)
		require.GreaterOrEqual(t, i, 0, dt)
		got, err := parseDType(fileDTypes[i].name)
		require.NoError(t, err)
		require.Equal(t, dt, got)
		if i > 0 {
			require.LessOrEqual(t, dt.Size(), fileDTypes[i-1].dtype.Size(), "%s is wider than what precedes it", dt)
		}
	}
	require.Len(t, fileDTypes, len(metal.DTypes()))
}

// headerErrors are files that must be refused, with the error. They are
// also where fuzzing begins.
var headerErrors = []struct {
	name string
	file []byte
	want string
}{
	{"no bytes", nil, "truncated: 0 bytes, want at least 8"},
	{"half a length", raw("", 0)[:5], "truncated: 5 bytes, want at least 8"},
	{"no header", raw("", 0), "does not begin with '{'"},
	{"all ones", bytes.Repeat([]byte{0xff}, 16), "header length 18446744073709551615 is over the limit of 100000000"},
	{"length over limit", binary.LittleEndian.AppendUint64(nil, maxHeader+1), "header length 100000001 is over the limit"},
	{"length over file", binary.LittleEndian.AppendUint64(nil, maxHeader), "truncated: header length is 100000000, but only 0 bytes follow"},
	{"pickle", append(raw("", 0), "\x80\x02}q\x00"...), "does not begin with '{'"},
	{"array", raw(`["a"]`, 0), "does not begin with '{'"},
	{"leading space", raw(` {}`, 0), "does not begin with '{'"},
	{"cut JSON", raw(`{"a":{"dtype":"U8"`, 0), "header: byte 18: unexpected end of JSON input"},
	{"bad JSON", raw(`{"a":1,}`, 0), "header: byte 8: invalid character '}'"},
	{"two values", raw(`{}{}`, 0), "header: byte 3: invalid character '{'"},
	{"zero padding", raw("{}\x00\x00", 0), "header: byte 3: invalid character"},
	{"not UTF-8", raw("{\"\xff\":1}", 0), "header: not UTF-8"},
	{"deep", raw(`{"a":`+strings.Repeat("[", 20000), 0), "header: byte 10005: invalid character '[' exceeded max depth"},
	{"deep unknown key", raw(`{"a":{"x":`+strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+`}}`, 0), `tensor "a": dtype is missing`},
	{"not an object", raw(`{"a":[1]}`, 0), `tensor "a": got an array, want an object`},
	{"null", raw(`{"a":null}`, 0), `tensor "a": got null, want an object`},
	{"no dtype", raw(`{"a":{"shape":[1],"data_offsets":[0,1]}}`, 1), `tensor "a": dtype is missing`},
	{"no shape", raw(`{"a":{"dtype":"U8","data_offsets":[0,1]}}`, 1), `tensor "a": shape is missing`},
	{"no offsets", raw(`{"a":{"dtype":"U8","shape":[1]}}`, 1), `tensor "a": data_offsets is missing`},
	{"dtype type", raw(`{"a":{"dtype":7,"shape":[1],"data_offsets":[0,1]}}`, 1), `tensor "a": dtype: got 7, want a string`},
	{"dtype unknown", raw(`{"a":{"dtype":"Q3","shape":[1],"data_offsets":[0,1]}}`, 1), `tensor "a": unknown dtype "Q3"`},
	{"dtype case", raw(`{"a":{"dtype":"u8","shape":[1],"data_offsets":[0,1]}}`, 1), `tensor "a": unknown dtype "u8"`},
	{"F8", raw(`{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}`, 1), `tensor "a": dtype F8_E4M3 is not supported`},
	{"F4", raw(`{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}`, 1), `tensor "a": dtype F4 is not supported`},
	{"shape type", raw(`{"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}}`, 1), `tensor "a": shape: got 1, want an array`},
	{"negative dim", raw(`{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}`, 1), `tensor "a": shape: got -1, want an integer from 0`},
	{"fraction", raw(`{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}`, 1), `tensor "a": shape: got 1.0, want an integer`},
	{"exponent", raw(`{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}`, 1), `tensor "a": shape: got 1e0, want an integer`},
	{"string dim", raw(`{"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}`, 1), `tensor "a": shape: got "1", want an integer`},
	{"dim over int64", raw(`{"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}}`, 1), `tensor "a": shape: got 9223372036854775808, want an integer`},
	{"product overflow", raw(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0), `tensor "a": shape [4294967296 4294967296] of float32 overflows 64 bits`},
	{"sign overflow", raw(`{"a":{"dtype":"U8","shape":[2,4611686018427387904],"data_offsets":[0,0]}}`, 0), `overflows 64 bits`},
	{"rank", raw(`{"a":{"dtype":"U8","shape":[`+strings.Repeat("1,", 64)+`1],"data_offsets":[0,1]}}`, 1), `tensor "a": shape: 65 axes, want at most 64`},
	{"one offset", raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}}`, 1), `tensor "a": data_offsets: 1 numbers, want 2`},
	{"three offsets", raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}`, 1), `tensor "a": data_offsets: 3 numbers, want 2`},
	{"backwards", raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}`, 1), `tensor "a": data_offsets [1 0] end before they begin`},
	{"size", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4), `tensor "a": data_offsets span 4 bytes, but shape [2] of float32 takes 8`},
	{"duplicate name", raw(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0), `key "a" appears twice`},
	{"duplicate key", raw(`{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}`, 1), `tensor "a": key "dtype" appears twice`},
	{"duplicate metadata", raw(`{"__metadata__":{"k":"1","k":"2"}}`, 0), `__metadata__: key "k" appears twice`},
	{"metadata twice", raw(`{"__metadata__":{},"__metadata__":{}}`, 0), `key "__metadata__" appears twice`},
	{"metadata type", raw(`{"__metadata__":"pt"}`, 0), `__metadata__: got "pt", want an object`},
	{"metadata value", raw(`{"__metadata__":{"n":true}}`, 0), `__metadata__: key "n": got true, want a string`},
	{"metadata nested", raw(`{"__metadata__":{"n":{"a":"b"}}}`, 0), `__metadata__: key "n": got an object, want a string`},
	{"cut data", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 7), `truncated: tensor "a" ends at byte 8 of the data, which has 7`},
	{"huge tensor", raw(`{"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}}`, 0), `truncated: tensor "a" ends at byte 9223372036854775807`},
	{"overlap", raw(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}}`, 7), `tensor "b" begins at byte 3, inside tensor "a", which ends at 4`},
	{"same bytes", raw(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"I8","shape":[4],"data_offsets":[0,4]}}`, 4), `begins at byte 0, inside tensor`},
	{"empty inside", raw(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}`, 4), `tensor "b" begins at byte 2, inside tensor "a"`},
	{"gap", raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}`, 6), `2 bytes before tensor "b" (2 to 4) belong to no tensor`},
	{"gap at start", raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), `1 bytes before tensor "a" (0 to 1) belong to no tensor`},
	{"rest", raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 3), `1 bytes after the last tensor belong to no tensor`},
	{"data without tensors", raw(`{}`, 3), `3 bytes after the last tensor belong to no tensor`},
}

func TestHeaderErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range headerErrors {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, "x.safetensors")
			require.NoError(t, os.WriteFile(path, c.file, 0o644))
			_, err := Open(path)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "safetensors file "+path+": ")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

var headersAccepted = map[string][]byte{
	"no tensors":      raw(`{}`, 0),
	"padding":         raw("{}  \n\t ", 0),
	"inner spaces":    raw(`{ "a" : { "dtype" : "U8", "shape" : [ 1 ], "data_offsets" : [ 0 , 1 ] } }`, 1),
	"unknown keys":    raw(`{"a":{"x":{"y":[1,{}]},"dtype":"U8","shape":[1],"data_offsets":[0,1],"z":null}}`, 1),
	"empty tensors":   raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[0,9],"data_offsets":[0,0]},"c":{"dtype":"F32","shape":[0],"data_offsets":[1,1]}}`, 1),
	"zero then large": raw(`{"a":{"dtype":"U8","shape":[0,9223372036854775807],"data_offsets":[0,0]}}`, 0),
	"any order":       raw(`{"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 2),
	"empty name":      raw(`{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1),
}

func TestHeaderAccepted(t *testing.T) {
	for name, file := range headersAccepted {
		_, err := readHeader(bytes.NewReader(file), int64(len(file)))
		require.NoError(t, err, name)
	}
}

// MLX writes null where there is no metadata.
func TestNullMetadata(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	require.NoError(t, os.WriteFile(path, raw(`{"__metadata__":null,"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), 0o600))
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.Nil(t, f.Metadata())
	require.Len(t, f.Tensors(), 1)
}

func TestOpenNotAFile(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(dir)
	require.EqualError(t, err, "safetensors file "+dir+": not a regular file (drwxr-xr-x)")
	absent := filepath.Join(dir, "absent")
	_, err = Open(absent)
	require.EqualError(t, err, "safetensors file "+absent+": no such file or directory")
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err = Open(pipe)
	require.ErrorContains(t, err, "not a regular file (p")
}

// A length that the file does not have must not be believed.
func TestHeaderAllocation(t *testing.T) {
	file := append(binary.LittleEndian.AppendUint64(nil, maxHeader), '{')
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readHeader(bytes.NewReader(file), int64(len(file)))
	runtime.ReadMemStats(&after)
	require.Error(t, err)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10))
}

func FuzzParseHeader(f *testing.F) {
	for _, c := range headerErrors {
		f.Add(c.file)
	}
	for _, file := range headersAccepted {
		f.Add(file)
	}
	golden, err := os.ReadFile("testdata/golden.safetensors")
	require.NoError(f, err)
	f.Add(golden)
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := readHeader(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		// Whatever is accepted covers the file exactly.
		covered := h.data
		for i, e := range h.entries {
			size, err := byteSize(e.shape, e.dtype)
			require.NoError(t, err)
			require.Equal(t, size, e.end-e.begin)
			require.GreaterOrEqual(t, e.begin, int64(0))
			require.LessOrEqual(t, h.data+e.end, int64(len(file)))
			covered += size
			if i > 0 {
				require.Less(t, h.entries[i-1].name, e.name)
			}
		}
		require.Equal(t, int64(len(file)), covered)
	})
}
