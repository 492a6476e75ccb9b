package models

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/llama"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/weights"
)

// Model is a causal language model, as training and generation see it.
type Model interface {
	// Hidden is the normalised output of the last layer for every token [B·T,d].
	Hidden(in nn.Input) *graph.Array
	// Prefix is the output of the first n layers for every token [B·T,d]: with it as
	// Input.States and n as Input.Skip, Hidden is what it is without.
	Prefix(in nn.Input, n int) *graph.Array
	// Logits is the score of every vocabulary entry for rows of Hidden [T,V].
	Logits(hidden *graph.Array) *graph.Array
	// CrossEntropy is the loss of each row of Hidden against targets, int32 [T]
	// with -1 for rows that do not count: float32 [T], without storing logits.
	CrossEntropy(hidden, targets *graph.Array) *graph.Array
	// HeadSize is the number of elements of the vocabulary projection.
	HeadSize() int
	// Tied reports whether the embedding is the vocabulary projection too.
	Tied() bool
	// Blocks is the number of transformer layers; Block is one of them, for
	// walking its parameters, and BlockName the prefix of their names.
	Blocks() int
	Block(i int) any
	BlockName(i int) string
	// NewCache is an empty KV cache.
	NewCache() *nn.KVCache
	// Recomputed makes the blocks whose flag is set drop their intermediate
	// values in the forward pass; trainable lists a block's trainable parameters.
	Recomputed(flags []bool, trainable func(block int) []*nn.Param)
}

// architectures maps model_type of config.json to its constructor.
var architectures = map[string]func(config []byte) (Model, error){
	"llama":   newLlama,
	"mistral": newLlama,
	"qwen2":   newLlama,
}

func newLlama(config []byte) (Model, error) {
	cfg, err := llama.ParseConfig(config)
	if err != nil {
		return nil, err
	}
	return llama.New(cfg), nil
}

// Info is what every config.json says, whatever the architecture.
type Info struct {
	ModelType             string `json:"model_type"`
	VocabSize             int    `json:"vocab_size"`
	MaxPositionEmbeddings int    `json:"max_position_embeddings"`
	TorchDType            string `json:"torch_dtype"`
	DType                 string `json:"dtype"`
	EOS                   any    `json:"eos_token_id"`
	// Quantization is nil for a model of floats.
	Quantization *Quantization `json:"-"`
}

// Folder is a loaded model folder.
type Folder struct {
	Dir    string
	Info   Info
	Config []byte // config.json as it is
	Model  Model
	DType  metal.DType // of the weights that are floats
	Files  *weights.Set

	rt    *graph.Runtime
	bufs  map[*byte]metal.Buffer // by the first byte of the mapping
	held  []metal.Buffer         // blocks that Hold moved weights to
	whole map[*nn.Param]bool     // what holds integers: words, and scales of some modes
}

// New builds the architecture that config.json names, without data. Which weights
// are quantised the files say too: they are so after Load.
func New(config []byte) (Model, Info, error) {
	var info Info
	if err := json.Unmarshal(config, &info); err != nil {
		return nil, info, fmt.Errorf("config.json: %w", err)
	}
	build, ok := architectures[info.ModelType]
	if !ok {
		known := []string{}
		for name := range architectures {
			known = append(known, name)
		}
		slices.Sort(known)
		return nil, info, fmt.Errorf("config.json: model_type %q is not supported (there are: %s)", info.ModelType, strings.Join(known, ", "))
	}
	var err error
	if info.Quantization, err = quantizationOf(config); err != nil {
		return nil, info, err
	}
	m, err := build(config)
	return m, info, err
}

// Load opens a model folder on rt. Weights are mapped, not kept in memory; they
// are read once, to refuse NaN and infinity.
func Load(dir string, rt *graph.Runtime) (*Folder, error) {
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", dir, err)
	}
	model, info, err := New(config)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", dir, err)
	}
	f := &Folder{Dir: dir, Info: info, Config: config, Model: model, rt: rt, bufs: map[*byte]metal.Buffer{}, whole: map[*nn.Param]bool{}}
	if f.Files, err = weights.OpenDir(dir); err != nil {
		return nil, err
	}
	if err = f.pack(); err == nil {
		err = f.bind()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("model %s: %w", dir, err)
	}
	if err := f.checkFinite(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// bind gives every parameter its tensor.
func (f *Folder) bind() error {
	for _, p := range nn.Params(f.Model) {
		t, ok := f.Files.Lookup(p.Name)
		if !ok {
			return fmt.Errorf("tensor %q is missing", p.Name)
		}
		if err := p.CheckShape(t.Shape); err != nil {
			return fmt.Errorf("%s: %w", f.fileOf(t), err)
		}
		if !f.whole[p] && t.DType != metal.Float32 && t.DType != metal.Float16 && t.DType != metal.BFloat16 {
			return fmt.Errorf("%s: tensor %q is %s, want float32, float16 or bfloat16", f.fileOf(t), p.Name, t.DType)
		}
		a, err := f.array(t)
		if err != nil {
			return err
		}
		p.Array = a
	}
	f.DType = f.floats()
	return nil
}

// array is a tensor where it lies in its mapped file, or a copy where its place
// there is not aligned to its elements.
func (f *Folder) array(t weights.Tensor) (*graph.Array, error) {
	if len(t.Data) == 0 || uintptr(unsafe.Pointer(&t.Data[0]))%uintptr(t.DType.Size()) != 0 {
		return graph.FromBytes(append([]byte{}, t.Data...), t.DType, t.Shape...), nil
	}
	whole := f.mapping(t)
	buf := f.bufs[&whole[0]]
	if buf == nil {
		var err error
		if buf, err = f.rt.Pool.Wrap(whole, "the file of tensor "+t.Name); err != nil {
			return nil, err
		}
		f.bufs[&whole[0]] = buf
	}
	off := int64(uintptr(unsafe.Pointer(&t.Data[0])) - uintptr(unsafe.Pointer(&whole[0])))
	return graph.FromBuffer(metal.View{Buf: buf, Off: off, Len: int64(len(t.Data))}, t.DType, t.Shape...), nil
}

// mapping is the mapped file that t lies in. It becomes one buffer: a GPU bears
// few of them.
func (f *Folder) mapping(t weights.Tensor) []byte {
	at := uintptr(unsafe.Pointer(&t.Data[0]))
	for _, file := range f.Files.Files() {
		if whole := file.Bytes(); at-uintptr(unsafe.Pointer(&whole[0])) < uintptr(len(whole)) {
			return whole
		}
	}
	return t.Data
}

// checkFinite reads every weight of the model and reports the first one that is
// NaN or infinite.
func (f *Folder) checkFinite() error {
	used := map[string]bool{}
	for _, p := range nn.Params(f.Model) {
		used[p.Name] = true
	}
	return f.Files.CheckFinite(func(name string) bool { return used[name] })
}

// Close unmaps the weights. No array over them may be used afterwards.
func (f *Folder) Close() {
	for _, b := range f.bufs {
		f.rt.Pool.Free(b)
	}
	for _, b := range f.held {
		f.rt.Pool.Free(b)
	}
	f.bufs, f.held = nil, nil
	if f.Files != nil {
		f.Files.Close()
	}
}
