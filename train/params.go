package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"unsafe"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/internal/half"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/ftmetal/ftmetal/train/optim"
)

// Param is a range of the flat array of trainable parameters.
type Param struct {
	*nn.Param
	Offset, Count int
	Block         int         // transformer layer, -1 outside of them
	DType         metal.DType // of the tensor in files
}

// ParamSet is everything that trains: tensors with at least two axes first,
// which weight decay applies to, then vectors.
type ParamSet struct {
	Params []*Param
	Size   int // elements in all
	Decay  int // elements that weight decay applies to
	Values []float32
}

// LoRAOptions says which layers get an adapter, and of what kind.
type LoRAOptions struct {
	Rank      int
	Scale     float64
	Dropout   float64
	Keys      []string // layer names inside a block; empty: every linear layer
	NumLayers int      // the last n blocks; ≤ 0: all
	Promote   bool     // mlx-lm's arithmetic (nn.LoRA.Promote)
}

// AddLoRA attaches adapters to the model's layers: A uniform in ±1/√in from the
// seed, B zero, as mlx-lm starts them.
func AddLoRA(m models.Model, opt LoRAOptions, seed uint64) (*ParamSet, error) {
	first := 0
	if opt.NumLayers > 0 {
		first = max(0, m.Blocks()-opt.NumLayers)
	}
	set := &ParamSet{}
	matched := map[string]bool{}
	for b := first; b < m.Blocks(); b++ {
		names, layers := nn.Linears(m.Block(b))
		for i, l := range layers {
			if !matchesKey(names[i], opt.Keys, matched) {
				continue
			}
			out, in := l.Dims()
			prefix := m.BlockName(b) + "." + names[i]
			l.LoRA = &nn.LoRA{A: nn.NewParam(in, opt.Rank), B: nn.NewParam(opt.Rank, out), Scale: opt.Scale, Dropout: opt.Dropout, Promote: opt.Promote}
			l.LoRA.A.Name, l.LoRA.B.Name = prefix+".lora_a", prefix+".lora_b"
			set.add(l.LoRA.A, b, metal.Float32)
			set.add(l.LoRA.B, b, metal.Float32)
		}
	}
	for _, k := range opt.Keys {
		if !matched[k] {
			return nil, fmt.Errorf("train: lora_parameters.keys: no layer is called %q", k)
		}
	}
	set.layOut()
	rng := rand.New(rand.NewPCG(seed, 0x10ca))
	for _, p := range set.Params {
		if strings.HasSuffix(p.Name, ".lora_a") {
			bound := 1 / math.Sqrt(float64(p.Shape[0]))
			for i := range p.Count {
				set.Values[p.Offset+i] = float32((2*rng.Float64() - 1) * bound)
			}
		}
	}
	return set, nil
}

// matchesKey reports whether a layer is selected: by its whole name inside the
// block ("self_attn.q_proj") or by its last part ("q_proj").
func matchesKey(name string, keys []string, matched map[string]bool) bool {
	if len(keys) == 0 {
		return true
	}
	for _, k := range keys {
		if k == name || strings.HasSuffix(name, "."+k) {
			matched[k] = true
			return true
		}
	}
	return false
}

// FullParams makes the model's own weights trainable: those of the last n
// blocks (n ≤ 0: everything), with float32 masters of what the files hold.
func FullParams(m models.Model, numLayers int) (*ParamSet, error) {
	set := &ParamSet{}
	block := map[*nn.Param]int{}
	for b := range m.Blocks() {
		for _, p := range nn.Params(m.Block(b)) {
			block[p] = b
		}
	}
	// Walking a block set the names relative to it; walk the whole model last.
	for _, p := range nn.Params(m) {
		b, inBlock := block[p]
		if !inBlock {
			b = -1
		}
		if numLayers > 0 && b < m.Blocks()-numLayers {
			continue
		}
		if !p.Array.DType().IsFloat() {
			return nil, fmt.Errorf("train: tensor %q is quantized, and such weights do not train: set fine_tune_type to lora, or unpack the model with ftmetal quantize --dequantize", p.Name)
		}
		set.add(p, b, p.Array.DType())
	}
	set.layOut()
	for _, p := range set.Params {
		raw, err := graph.HostBytes(p.Array)
		if err != nil {
			return nil, fmt.Errorf("train: tensor %q: %w", p.Name, err)
		}
		if raw != nil { // the null device has no memory to read
			widen(set.Values[p.Offset:p.Offset+p.Count], raw, p.DType)
		}
	}
	return set, nil
}

func (s *ParamSet) add(p *nn.Param, block int, dt metal.DType) {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	s.Params = append(s.Params, &Param{Param: p, Count: n, Block: block, DType: dt})
}

// layOut gives every parameter its range: matrices first.
func (s *ParamSet) layOut() {
	sort.SliceStable(s.Params, func(i, j int) bool {
		return len(s.Params[i].Shape) > 1 && len(s.Params[j].Shape) <= 1
	})
	s.Size, s.Decay = 0, 0
	for _, p := range s.Params {
		p.Offset = s.Size
		s.Size += p.Count
		if len(p.Shape) > 1 {
			s.Decay = s.Size
		}
	}
	s.Values = make([]float32, s.Size)
}

// layout is where the flat array holds the tensors.
func (s *ParamSet) layout() optim.Layout {
	in := optim.Layout{Decay: s.Decay}
	for _, p := range s.Params {
		in.Tensors = append(in.Tensors, optim.Tensor{Offset: p.Offset, Shape: p.Shape})
	}
	return in
}

// InBlock lists the trainable parameters of one transformer layer.
func (s *ParamSet) InBlock(b int) []*nn.Param {
	var out []*nn.Param
	for _, p := range s.Params {
		if p.Block == b {
			out = append(out, p.Param)
		}
	}
	return out
}

// FirstBlock is the first transformer layer in which something trains: 0 if the
// embedding or the vocabulary projection trains.
func (s *ParamSet) FirstBlock() int {
	first := s.Params[0].Block
	for _, p := range s.Params {
		first = min(first, p.Block)
	}
	return max(first, 0)
}

// Tensors describes values (Size of them, in the set's layout) as named
// tensors. Each is converted to the dtype it has in files when asFiles is set.
func (s *ParamSet) Tensors(values []float32, asFiles bool) []weights.Tensor {
	out := make([]weights.Tensor, len(s.Params))
	for i, p := range s.Params {
		v := values[p.Offset : p.Offset+p.Count]
		dt := metal.Float32
		if asFiles {
			dt = p.DType
		}
		out[i] = weights.Tensor{Name: p.Name, DType: dt, Shape: p.Shape, Data: narrow(v, dt)}
	}
	return out
}

// LoadTensors fills the masters from an adapter or weight file. strict demands
// that the file and the set name the same tensors.
func (s *ParamSet) LoadTensors(path string, values []float32, strict bool) error {
	f, err := weights.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	used := map[string]bool{}
	for _, p := range s.Params {
		t, ok := f.Lookup(p.Name)
		if !ok {
			if strict {
				return fmt.Errorf("%s: tensor %q is missing", path, p.Name)
			}
			continue
		}
		if fmt.Sprint(t.Shape) != fmt.Sprint(p.Shape) {
			return fmt.Errorf("%s: tensor %q has shape %v, want %v", path, p.Name, t.Shape, p.Shape)
		}
		if err := weights.CheckFinite(t); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		used[p.Name] = true
		widen(values[p.Offset:p.Offset+p.Count], t.Data, t.DType)
	}
	for _, t := range f.Tensors() {
		if !used[t.Name] {
			return fmt.Errorf("%s: tensor %q does not belong to what is trained here (check lora_parameters.keys, rank and num_layers)", path, t.Name)
		}
	}
	return nil
}

// widen converts raw elements to float32.
func widen(dst []float32, raw []byte, dt metal.DType) {
	if len(dst) == 0 {
		return
	}
	switch dt {
	case metal.Float32:
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&dst[0])), 4*len(dst)), raw)
	case metal.BFloat16, metal.Float16:
		for i := range dst {
			u := uint16(raw[2*i]) | uint16(raw[2*i+1])<<8
			if dt == metal.BFloat16 {
				dst[i] = half.BF16ToF32(u)
			} else {
				dst[i] = half.F16ToF32(u)
			}
		}
	default:
		panic("train: trainable tensor of dtype " + dt.String())
	}
}

// narrow converts float32 to raw elements of dt.
func narrow(src []float32, dt metal.DType) []byte {
	if dt == metal.Float32 {
		if len(src) == 0 {
			return nil
		}
		return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(&src[0])), 4*len(src))...)
	}
	out := make([]byte, 0, 2*len(src))
	for _, v := range src {
		u := half.F32ToBF16(v)
		if dt == metal.Float16 {
			u = half.F32ToF16(v)
		}
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}
