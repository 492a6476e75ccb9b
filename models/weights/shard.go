package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ftmetal/ftmetal/internal/atomicfile"
)

// DefaultShardBytes is mlx-lm's limit on the size of a shard.
const DefaultShardBytes = 5 << 30

// indexJSON is model.safetensors.index.json as mlx-lm writes it.
type indexJSON struct {
	Metadata struct {
		TotalSize       int64 `json:"total_size"`       // bytes
		TotalParameters int64 `json:"total_parameters"` // elements
	} `json:"metadata"`
	WeightMap map[string]string `json:"weight_map"`
}

// SaveSharded writes tensors to a model folder, which it makes if need be, in
// the order given: as model.safetensors if they take no more than
// maxShardBytes, otherwise as model-00001-of-0000N.safetensors and so on with
// an index. A tensor over maxShardBytes gets a shard of its own. metadata goes
// into every file, as in [WriteFile].
//
// No more than one tensor's data is asked for at a time. All files are complete
// and on disk before the first replaces an old one, so that an error leaves the
// old model as it was; this takes room for both. Afterwards the weight files of
// the old model that are not part of the new one are removed.
func SaveSharded(dir string, tensors []Lazy, maxShardBytes int64, metadata map[string]string) error {
	if maxShardBytes <= 0 {
		return fmt.Errorf("write model %s: shards of at most %d bytes, want a positive number", dir, maxShardBytes)
	}
	if err := checkTensors(tensors); err != nil {
		return fmt.Errorf("write model %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write model %s: %w", dir, pathless(err))
	}
	var staged []*atomicfile.File
	defer func() {
		for _, f := range staged {
			f.Abort()
		}
	}()
	stage := func(name string, fill func(w io.Writer) error) error {
		f, err := atomicfile.Stage(filepath.Join(dir, name), filePerm, fill)
		if err == nil {
			staged = append(staged, f)
		}
		return err
	}
	shards, index := planShards(tensors, maxShardBytes)
	keep := map[string]bool{}
	for i, shard := range shards {
		name := shardName(i, len(shards))
		keep[name] = true
		if err := stage(name, func(w io.Writer) error { return writeTo(w, shard, metadata) }); err != nil {
			return err
		}
	}
	if len(shards) > 1 {
		keep[indexFile] = true
		if err := stage(indexFile, func(w io.Writer) error { return writeIndex(w, index) }); err != nil {
			return err
		}
	}
	for _, f := range staged {
		if err := f.Commit(); err != nil {
			return err
		}
	}
	return removeStale(dir, keep)
}

// planShards cuts tensors where a shard would get over maxBytes.
func planShards(tensors []Lazy, maxBytes int64) ([][]Lazy, indexJSON) {
	var index indexJSON
	shards := [][]Lazy{nil}
	used := int64(0)
	for _, t := range tensors {
		size, _ := byteSize(t.Shape, t.DType) // checked by checkTensors
		if used+size > maxBytes && used > 0 {
			shards = append(shards, nil)
			used = 0
		}
		last := len(shards) - 1
		shards[last] = append(shards[last], t)
		used += size
		index.Metadata.TotalSize += size
		index.Metadata.TotalParameters += size / int64(t.DType.Size())
	}
	index.WeightMap = map[string]string{}
	for i, shard := range shards {
		for _, t := range shard {
			index.WeightMap[t.Name] = shardName(i, len(shards))
		}
	}
	return shards, index
}

// shardName is the file name of shard i of n.
func shardName(i, n int) string {
	if n == 1 {
		return singleFile
	}
	return fmt.Sprintf("model-%05d-of-%05d%s", i+1, n, extension)
}

func writeIndex(w io.Writer, index indexJSON) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	return enc.Encode(index)
}

// removeStale removes the weight files of a model except those to keep: an old
// index or model.safetensors would be taken for the new model's.
func removeStale(dir string, keep map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("write model %s: %w", dir, pathless(err))
	}
	for _, e := range entries {
		name := e.Name()
		m := shardPattern.FindStringSubmatch(name)
		ours := name == singleFile || name == indexFile || m != nil && m[1] == "model"
		if !ours || keep[name] {
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s of the model that was there: %w", path, pathless(err))
		}
	}
	return nil
}
