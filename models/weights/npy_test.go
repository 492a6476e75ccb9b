package weights

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

func npy(header, data string) string {
	return "\x93NUMPY\x01\x00" + string([]byte{byte(len(header)), byte(len(header) >> 8)}) + header + data
}

// Files as mx.save and numpy.save wrote them.
func TestReadNPY(t *testing.T) {
	for _, c := range []struct {
		name, file string
		want       Tensor
	}{
		{"bfloat16 of MLX", npy("{'descr': '<V2', 'fortran_order': True, 'shape': (3, )}    \n", "\xc0?\x00@@@"),
			Tensor{DType: metal.BFloat16, Shape: []int{3}, Data: []byte("\xc0?\x00@@@")}},
		{"scalar of MLX", npy("{'descr': '<f4', 'fortran_order': True, 'shape': ()} \n", "\x00\x00@@"),
			Tensor{DType: metal.Float32, Shape: []int{}, Data: []byte("\x00\x00@@")}},
		{"bool of MLX", npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2, 1, )}        \n", "\x00\x01"),
			Tensor{DType: metal.Bool, Shape: []int{2, 1}, Data: []byte{0, 1}}},
		{"big-endian columns", npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n", "\x00\x01\x00\x04\x00\x02\x00\x05\x00\x03\x00\x06"),
			Tensor{DType: metal.Int16, Shape: []int{2, 3}, Data: []byte{1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0}}},
		{"keys in another order, version 3", "\x93NUMPY\x03\x00\x34\x00\x00\x00{\"shape\":(2L,),'descr':'>c8',\"fortran_order\":False}  ", Tensor{}},
	} {
		if c.want.Shape == nil {
			c.file = c.file[:8] + string([]byte{byte(len(c.file) - 12), 0, 0, 0}) + c.file[12:] + "\x3f\x80\x00\x00\x40\x00\x00\x00\x40\x40\x00\x00\x40\x80\x00\x00"
			c.want = Tensor{DType: metal.Complex64, Shape: []int{2}, Data: []byte("\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40")}
		}
		got, err := readNPY(strings.NewReader(c.file))
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, got, c.name)
	}
}

func TestReadNPYErrors(t *testing.T) {
	good := "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
	for file, want := range map[string]string{
		"":                                  "no header of an .npy file",
		"PNG....":                           "no header of an .npy file",
		"GARBAGE.....":                      "not an .npy file",
		"\x93NUMPY\x09\x00\x00\x00":         "version 9 of the .npy format",
		"\x93NUMPY\x02\x00\xff\xff\xff\xff": "header of 4294967295 bytes",
		"\x93NUMPY\x01\x00\x09\x00{}":       "header of 9 bytes: unexpected EOF",
		npy("[]", ""):                       "not a dictionary",
		npy("{}", ""):                       `no key "descr"`,
		npy("{'descr': '<f4', 'descr': '<f4'}", ""):          `key "descr" appears twice`,
		npy("{'descr': '<M8[ns]'}", ""):                      `element type "<M8[ns]" is not supported`,
		npy("{'descr': [('a', '<f4')]}", ""):                 "want a string",
		npy("{'shape': (2, 'x')}", ""):                       "want a tuple of integers",
		npy("{'shape': (-1,)}", ""):                          "want a tuple of integers",
		npy("{'shape': (99999999999999999999,)}", ""):        "want a tuple of integers",
		npy("{'shape': ("+strings.Repeat("1,", 65)+")}", ""): "more than 64 axes",
		npy("{'fortran_order': 0}", ""):                      "want True or False",
		npy("{'color': 'red'}", ""):                          `key "color": unknown`,
		npy("{'descr' '<f4'}", ""):                           `no value for key "descr"`,
		npy("{'descr': '<f4' 'shape': ()}", ""):              "no comma between keys",
		npy("{'descr': '<f4", ""):                            "a string without end",
		npy(good+" x", ""):                                   "text after the dictionary",
		npy(good, "1234567"):                                 "7 bytes of data, but shape [2] of float32 takes 8 bytes",
		npy(good, "123456789"):                               "more data, but shape [2] of float32 takes 8 bytes",
		npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", ""): "overflows 64 bits",
		npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846975,), }", ""):   "0 bytes of data",
	} {
		_, err := readNPY(strings.NewReader(file))
		require.ErrorContains(t, err, want)
	}
}

// numpyArchive is what numpy.savez_compressed wrote for a.weight = [[0 1 2] [3
// 4 5]] in float32, b = [1 2] in big-endian int16 and c, a.weight in float64 with
// columns first.
const numpyArchive = "UEsDBC0AAAAIAAAAIQBP6QAq//////////8MABQAYS53ZWlnaHQubnB5AQAQAJgAAAAAAAAAVQAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2airqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOgrGmjoKtQpkAy4GMGiwBxIOQATEDUC8wAEAUEsDBC0AAAAIAAAAIQB8m8+p//////////8FABQAYi5ucHkBABAAhAAAAAAAAABIAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6XaaSuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAC4GRgYmAFBLAwQtAAAACAAAACEA5MgGYP//////////BQAUAGMubnB5AQAQALAAAAAAAAAAVwAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2ahrqOgnpZfVFKUmBefX5SSChIPKSpNBQoXZyQWpAK5GkY6CsaaOgq1CuQDLgYUwOEAoT/YQ2gBKJ8BSos4AABQSwECLQMtAAAACAAAACEAT+kAKlUAAACYAAAADAAAAAAAAAAAAAAAgAEAAAAAYS53ZWlnaHQubnB5UEsBAi0DLQAAAAgAAAAhAHybz6lIAAAAhAAAAAUAAAAAAAAAAAAAAIABkwAAAGIubnB5UEsBAi0DLQAAAAgAAAAhAOTIBmBXAAAAsAAAAAUAAAAAAAAAAAAAAIABEgEAAGMubnB5UEsFBgAAAAADAAMAoAAAAKABAAAAAA=="

func archiveBytes(t testing.TB) []byte {
	raw, err := base64.StdEncoding.DecodeString(numpyArchive)
	require.NoError(t, err)
	return raw
}

func TestReadNPZ(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npz")
	require.NoError(t, os.WriteFile(path, archiveBytes(t), 0o644))
	arrays, err := Load(path)
	require.NoError(t, err)
	require.Len(t, arrays, 3)
	for name, want := range map[string][]float64{"a.weight": {0, 1, 2, 3, 4, 5}, "b": {1, 2}, "c": {0, 1, 2, 3, 4, 5}} {
		raw, err := graph.Bytes(context.Background(), arrays[name])
		require.NoError(t, err)
		again := graph.FromBytes(raw, arrays[name].DType(), arrays[name].Shape()...)
		got, err := graph.Floats(context.Background(), again)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
	require.Equal(t, "float64[2 3]", arrays["c"].String())

	raw := archiveBytes(t)
	raw[100] ^= 1 // in the data of a.weight
	require.NoError(t, os.WriteFile(path, raw, 0o644))
	_, err = ReadNPZ(path)
	require.ErrorContains(t, err, path+`: array "a.weight": `)
}

// What is written is read back, and nothing is left of a failed write.
func TestNPZGoesRound(t *testing.T) {
	dir := t.TempDir()
	tensors := []Tensor{
		{"b.x", metal.BFloat16, []int{2}, []byte{1, 2, 3, 4}}, {"a", metal.Int8, []int{}, []byte{9}},
		{"big", metal.Float32, []int{64, 64}, bytes.Repeat([]byte{0, 0, 128, 63}, 4096)}, {"none", metal.Complex64, []int{0, 3}, []byte{}},
	}
	sizes := map[bool]int64{}
	for _, compressed := range []bool{false, true} {
		path := filepath.Join(dir, "w.npz")
		require.NoError(t, WriteNPZ(path, tensors, compressed))
		got, err := ReadNPZ(path)
		require.NoError(t, err)
		require.Len(t, got, 4)
		for i, k := range []int{1, 0, 2, 3} {
			require.Equal(t, tensors[k].Name, got[i].Name)
			require.Equal(t, tensors[k].Shape, got[i].Shape)
			require.Equal(t, tensors[k].DType, got[i].DType)
			require.True(t, bytes.Equal(tensors[k].Data, got[i].Data))
		}
		info, err := os.Stat(path)
		require.NoError(t, err)
		sizes[compressed] = info.Size()
	}
	require.Less(t, sizes[true], sizes[false]/10)
	path := filepath.Join(dir, "x.npy")
	require.NoError(t, WriteNPY(path, tensors[2]))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, (info.Size()-4*4096)%64, "data is aligned")
	a, err := LoadArray(path)
	require.NoError(t, err)
	require.Equal(t, "float32[64 64]", a.String())

	bad := append(tensors, Tensor{"short", metal.Float32, []int{2}, []byte{1}})
	require.ErrorContains(t, WriteNPZ(filepath.Join(dir, "w.npz"), bad, false), `array "short": 1 bytes, but shape [2] of float32 takes 8`)
	got, err := ReadNPZ(filepath.Join(dir, "w.npz"))
	require.NoError(t, err)
	require.Len(t, got, 4)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2)
}

// FuzzNPZ: no input crashes; what is read has as many bytes as it should.
func FuzzNPZ(f *testing.F) {
	f.Add(archiveBytes(f))
	f.Add([]byte(npy("{'descr': '<V2', 'fortran_order': True, 'shape': (3, )}    \n", "\xc0?\x00@@@")))
	f.Add([]byte(npy("{'descr': '>f8', 'fortran_order': True, 'shape': (0, 9223372036854775807), }", "")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tensors, err := readNPZ(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			tensors = nil
		}
		if one, err := readNPY(bytes.NewReader(raw)); err == nil {
			tensors = append(tensors, one)
		}
		for _, tensor := range tensors {
			size, err := byteSize(tensor.Shape, tensor.DType)
			require.NoError(t, err)
			require.EqualValues(t, size, len(tensor.Data))
		}
	})
}
