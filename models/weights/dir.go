package weights

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// The names that Hugging Face and mlx-lm give to a model's files.
const (
	singleFile = "model.safetensors"
	indexFile  = "model.safetensors.index.json"
	extension  = ".safetensors"
)

// shardPattern takes a shard's name apart: stem, number, count.
var shardPattern = regexp.MustCompile(`^(.+)-(\d{5})-of-(\d{5})\.safetensors$`)

// Set is the open safetensors files of a folder, seen as one.
type Set struct {
	dir   string
	files []*File
	byKey map[string]Tensor
	names []string
}

// OpenDir maps the weights of a model folder: model.safetensors, or the shards
// that model.safetensors.index.json lists, or, without these, the folder's
// only safetensors file or a complete set of shards ("…-00001-of-00003").
// Where a folder has both model.safetensors and an index, model.safetensors is
// taken, as Hugging Face does.
//
// An index must name exactly the tensors that its shards hold.
func OpenDir(dir string) (*Set, error) {
	s := &Set{dir: dir, byKey: map[string]Tensor{}}
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	for name := range s.byKey {
		s.names = append(s.names, name)
	}
	slices.Sort(s.names)
	return s, nil
}

func (s *Set) open() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("model folder %s: %w", s.dir, pathless(err))
	}
	var files []string
	hasIndex := false
	for _, e := range entries {
		hasIndex = hasIndex || e.Name() == indexFile
		if strings.HasSuffix(e.Name(), extension) && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, e.Name())
		}
	}
	switch {
	case slices.Contains(files, singleFile):
		return s.add(singleFile)
	case hasIndex:
		return s.openIndex()
	}
	shards, err := pickFiles(files)
	if err != nil {
		return fmt.Errorf("model folder %s: %w", s.dir, err)
	}
	for _, name := range shards {
		if err := s.add(name); err != nil {
			return err
		}
	}
	return nil
}

// pickFiles chooses among the safetensors files of a folder that has neither
// model.safetensors nor an index.
func pickFiles(files []string) ([]string, error) {
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no %s, no %s and no other *%s file", singleFile, indexFile, extension)
	}
	if len(files) == 1 && !shardPattern.MatchString(files[0]) {
		return files, nil
	}
	sets := map[string][]string{}
	for _, f := range files {
		if m := shardPattern.FindStringSubmatch(f); m != nil {
			sets[m[1]+"/"+m[3]] = append(sets[m[1]+"/"+m[3]], f)
		}
	}
	if len(sets) != 1 {
		return nil, fmt.Errorf("cannot tell which files are the model's without %s: %s", indexFile, strings.Join(files, ", "))
	}
	for _, shards := range sets {
		m := shardPattern.FindStringSubmatch(shards[0])
		count, err := strconv.Atoi(m[3])
		if err != nil {
			return nil, fmt.Errorf("shard %s: %w", shards[0], err)
		}
		for i := 1; i <= count; i++ {
			if want := fmt.Sprintf("%s-%05d-of-%s%s", m[1], i, m[3], extension); !slices.Contains(shards, want) {
				return nil, fmt.Errorf("shard %s is missing", want)
			}
		}
		if len(shards) != count {
			return nil, fmt.Errorf("%d shards, want the %d that their names tell of", len(shards), count)
		}
		files = shards
	}
	return files, nil
}

// openIndex opens the shards of the index and checks that both agree.
func (s *Set) openIndex() error {
	path := filepath.Join(s.dir, indexFile)
	index, err := readIndex(path)
	if err != nil {
		return fmt.Errorf("index %s: %w", path, pathless(err))
	}
	shards := map[string]bool{}
	for _, name := range sortedKeys(index) {
		shard := index[name]
		// An index is data from elsewhere: it must not lead out of its folder.
		if shard == "" || shard == "." || shard == ".." || strings.ContainsAny(shard, `/\`) {
			return fmt.Errorf("index %s: tensor %q is in file %q, want the name of a file in the same folder", path, name, shard)
		}
		shards[shard] = true
	}
	for _, shard := range sortedKeys(shards) {
		if _, err := os.Stat(filepath.Join(s.dir, shard)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("index %s: shard %s is missing", path, shard)
		}
		if err := s.add(shard); err != nil {
			return err
		}
		for _, t := range s.files[len(s.files)-1].tensors {
			if want, ok := index[t.Name]; !ok {
				return fmt.Errorf("index %s: tensor %q of shard %s is not in the index", path, t.Name, shard)
			} else if want != shard {
				return fmt.Errorf("index %s: tensor %q is in shard %s, want it in %s", path, t.Name, shard, want)
			}
		}
	}
	for _, name := range sortedKeys(index) {
		if _, ok := s.byKey[name]; !ok {
			return fmt.Errorf("index %s: tensor %q is absent from shard %s", path, name, index[name])
		}
	}
	return nil
}

// readIndex reads the weight_map of an index: the file of every tensor.
func readIndex(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxHeader+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxHeader {
		return nil, fmt.Errorf("over the limit of %d bytes", maxHeader)
	}
	return parseIndex(text)
}

// parseIndex parses the JSON of an index. Its metadata is not used: total_size
// is wrong in files of some older tools.
func parseIndex(text []byte) (map[string]string, error) {
	r, err := newJSONReader(text)
	if err != nil {
		return nil, err
	}
	var files map[string]string
	err = r.each(func(key string) error {
		if key != "weight_map" {
			return r.skip()
		}
		files, err = r.texts()
		return wrap(err, "weight_map")
	})
	if err == nil && files == nil {
		err = errors.New("weight_map is missing")
	}
	return files, err
}

// add opens a file of the folder and enters its tensors.
func (s *Set) add(name string) error {
	f, err := Open(filepath.Join(s.dir, name))
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	for _, t := range f.tensors {
		if _, twice := s.byKey[t.Name]; twice {
			return fmt.Errorf("model folder %s: tensor %q of %s is in another file too", s.dir, t.Name, name)
		}
		s.byKey[t.Name] = t
	}
	return nil
}

// Lookup returns the tensor called name.
func (s *Set) Lookup(name string) (Tensor, bool) {
	t, ok := s.byKey[name]
	return t, ok
}

// Names lists the names of all tensors in order.
func (s *Set) Names() []string { return s.names }

// Files lists the open files: shards in the order of their names.
func (s *Set) Files() []*File { return s.files }

// TotalBytes is the size of all tensors in bytes.
func (s *Set) TotalBytes() int64 {
	total := int64(0)
	for _, t := range s.byKey {
		total += int64(len(t.Data))
	}
	return total
}

// CheckFinite reads the tensors whose names wanted admits, on all processors,
// and returns an error with file, tensor, index and value of the first that is
// NaN or infinite. Pages that have been read are given back to the system's
// cache, so that the process does not grow by the size of the model.
func (s *Set) CheckFinite(wanted func(name string) bool) error {
	var checks []func() error
	for _, f := range s.files {
		for _, t := range f.tensors {
			if wanted(t.Name) {
				checks = append(checks, func() error { return wrap(checkFinite(t, dropPages), "safetensors file %s", f.path) })
			}
		}
	}
	errs := make([]error, len(checks))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(checks)); i = next.Add(1) - 1 {
				errs[i] = checks[i]()
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Close unmaps all files; reading the Data of their tensors afterwards crashes.
// Closing twice does nothing.
func (s *Set) Close() error {
	var first error
	for _, f := range s.files {
		if err := f.Close(); first == nil {
			first = err
		}
	}
	s.files, s.byKey, s.names = nil, nil, nil
	return first
}

// sortedKeys makes errors about maps the same every time.
func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
