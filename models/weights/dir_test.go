package weights

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ftmetal/ftmetal/metal"
)

// folder makes a model folder: files of one-byte tensors, and an index if
// weightMap is not nil.
func folder(t *testing.T, files map[string][]string, weightMap map[string]string) string {
	dir := t.TempDir()
	for file, names := range files {
		var tensors []Tensor
		for _, n := range names {
			tensors = append(tensors, Tensor{n, metal.Uint8, []int{1}, []byte{n[0]}})
		}
		require.NoError(t, WriteFile(filepath.Join(dir, file), tensors, nil))
	}
	if weightMap != nil {
		b, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 1e30}, "weight_map": weightMap})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, indexFile), b, 0o644))
	}
	return dir
}

const (
	shard1 = "model-00001-of-00002.safetensors"
	shard2 = "model-00002-of-00002.safetensors"
)

func TestOpenDir(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string][]string
		index map[string]string
		want  []string
	}{
		"single":              {map[string][]string{singleFile: {"b", "a"}}, nil, []string{"a", "b"}},
		"single with index":   {map[string][]string{singleFile: {"a"}}, map[string]string{"a": singleFile}, []string{"a"}},
		"single and others":   {map[string][]string{singleFile: {"a"}, "consolidated.safetensors": {"a"}, shard1: {"a"}}, map[string]string{"a": shard1}, []string{"a"}},
		"sharded":             {map[string][]string{shard1: {"a", "c"}, shard2: {"b"}}, map[string]string{"a": shard1, "b": shard2, "c": shard1}, []string{"a", "b", "c"}},
		"sharded, any names":  {map[string][]string{"x": {"a"}, "y.bin": {"b"}}, map[string]string{"a": "x", "b": "y.bin"}, []string{"a", "b"}},
		"sharded and others":  {map[string][]string{shard1: {"a"}, "consolidated.safetensors": {"a"}}, map[string]string{"a": shard1}, []string{"a"}},
		"one file":            {map[string][]string{"adapters.safetensors": {"a"}}, nil, []string{"a"}},
		"one hidden besides":  {map[string][]string{"w.safetensors": {"a"}, ".w.safetensors": {"b"}}, nil, []string{"a"}},
		"shards, no index":    {map[string][]string{shard1: {"a"}, shard2: {"b"}, "consolidated.safetensors": {"a"}}, nil, []string{"a", "b"}},
		"one shard, no index": {map[string][]string{"model-00001-of-00001.safetensors": {"a"}}, nil, []string{"a"}},
		"empty index":         {nil, map[string]string{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := OpenDir(folder(t, c.files, c.index))
			require.NoError(t, err)
			require.Equal(t, c.want, s.Names())
			require.Equal(t, int64(len(c.want)), s.TotalBytes())
			for _, n := range c.want {
				got, ok := s.Lookup(n)
				require.True(t, ok)
				require.Equal(t, Tensor{n, metal.Uint8, []int{1}, []byte{n[0]}}, got)
			}
			_, ok := s.Lookup("absent")
			require.False(t, ok)
			require.NoError(t, s.Close())
			require.NoError(t, s.Close())
			require.Empty(t, s.Names())
		})
	}
}

func TestOpenDirErrors(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string][]string
		index map[string]string
		want  string // after the folder's name
	}{
		"nothing":          {nil, nil, ": there is no model.safetensors, no model.safetensors.index.json and no other *.safetensors file"},
		"two files":        {map[string][]string{"a.safetensors": {"a"}, "b.safetensors": {"b"}}, nil, ": cannot tell which files are the model's without model.safetensors.index.json: a.safetensors, b.safetensors"},
		"two sets":         {map[string][]string{shard1: {"a"}, "x-00001-of-00001.safetensors": {"b"}}, nil, ": cannot tell which"},
		"shard missing":    {map[string][]string{shard1: {"a"}}, nil, ": shard " + shard2 + " is missing"},
		"shard 0":          {map[string][]string{"m-00000-of-00001.safetensors": {"a"}, "m-00001-of-00001.safetensors": {"b"}}, nil, ": 2 shards, want the 1"},
		"shards overlap":   {map[string][]string{shard1: {"a"}, shard2: {"a"}}, nil, `: tensor "a" of ` + shard2 + ` is in another file too`},
		"indexed missing":  {map[string][]string{shard1: {"a"}}, map[string]string{"a": shard1, "b": shard2}, "/" + indexFile + ": shard " + shard2 + " is missing"},
		"tensor missing":   {map[string][]string{shard1: {"a"}}, map[string]string{"a": shard1, "b": shard1}, "/" + indexFile + `: tensor "b" is absent from shard ` + shard1},
		"tensor too many":  {map[string][]string{shard1: {"a", "b"}}, map[string]string{"a": shard1}, "/" + indexFile + `: tensor "b" of shard ` + shard1 + " is not in the index"},
		"wrong shard":      {map[string][]string{shard1: {"a"}, shard2: {"b"}}, map[string]string{"a": shard2, "b": shard1}, "/" + indexFile + `: tensor "a" is in shard ` + shard1 + ", want it in " + shard2},
		"in both":          {map[string][]string{shard1: {"a"}, shard2: {"a", "b"}}, map[string]string{"a": shard1, "b": shard2}, `: tensor "a" of ` + shard2 + ` is in another file too`},
		"out of folder":    {nil, map[string]string{"a": "../a.safetensors"}, "/" + indexFile + `: tensor "a" is in file "../a.safetensors", want the name of a file in the same folder`},
		"absolute":         {nil, map[string]string{"a": "/etc/passwd"}, "/" + indexFile + `: tensor "a" is in file "/etc/passwd", want the name`},
		"folder itself":    {nil, map[string]string{"a": "."}, "/" + indexFile + `: tensor "a" is in file ".", want the name`},
		"not a file there": {nil, map[string]string{"a": ""}, "/" + indexFile + `: tensor "a" is in file "", want the name`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, c.files, c.index)
			_, err := OpenDir(dir)
			require.ErrorContains(t, err, dir+c.want)
		})
	}
	absent := filepath.Join(t.TempDir(), "absent")
	_, err := OpenDir(absent)
	require.EqualError(t, err, "model folder "+absent+": no such file or directory")
}

// A broken shard is named.
func TestOpenDirBrokenShard(t *testing.T) {
	dir := folder(t, map[string][]string{shard1: {"a"}, shard2: {"b"}}, map[string]string{"a": shard1, "b": shard2})
	path := filepath.Join(dir, shard2)
	require.NoError(t, os.Truncate(path, 20))
	_, err := OpenDir(dir)
	require.ErrorContains(t, err, "safetensors file "+path+": truncated: header length is 56, but only 12 bytes follow")
}

// A Hugging Face cache consists of links to blobs.
func TestOpenDirLinks(t *testing.T) {
	blobs := folder(t, map[string][]string{"0abc": {"a"}}, nil)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(blobs, "0abc"), filepath.Join(dir, singleFile)))
	s, err := OpenDir(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, s.Names())
	require.NoError(t, s.Close())
}

var indexErrors = []struct{ text, want string }{
	{``, "unexpected end of JSON input"},
	{`{"weight_map":{}`, "byte 16: unexpected end of JSON input"},
	{`[]`, "got an array, want an object"},
	{`{}`, "weight_map is missing"},
	{`{"weight_map":[]}`, "weight_map: got an array, want an object"},
	{`{"weight_map":null}`, "weight_map: got null, want an object"},
	{`{"weight_map":{"a":1}}`, `weight_map: key "a": got 1, want a string`},
	{`{"weight_map":{"a":"x","a":"y"}}`, `weight_map: key "a" appears twice`},
	{`{"weight_map":{},"weight_map":{}}`, `key "weight_map" appears twice`},
	{"{\"weight_map\":{\"\xff\":\"x\"}}", "not UTF-8"},
}

func TestIndexErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, indexFile)
	for _, c := range indexErrors {
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o644))
		_, err := OpenDir(dir)
		require.ErrorContains(t, err, "index "+path+": ")
		require.ErrorContains(t, err, c.want)
	}
}

func FuzzParseIndex(f *testing.F) {
	for _, c := range indexErrors {
		f.Add([]byte(c.text))
	}
	f.Add([]byte(`{"metadata":{"total_size":3},"weight_map":{"a":"x","b":"y"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parseIndex(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(map[string]any{"weight_map": got})
		require.NoError(t, err)
		reread, err := parseIndex(again)
		require.NoError(t, err)
		require.Equal(t, got, reread)
	})
}
