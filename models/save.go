package models

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/models/weights"
)

// SaveOptions says how the weights of a model are written.
type SaveOptions struct {
	DType  metal.DType // of floats
	AsIs   bool        // floats keep their dtypes instead
	Unpack bool        // quantised weights become floats
	// Format is how the weight [out,in] of a layer, one of floats, is to be
	// quantised; nil, or a nil result, leaves it as it is.
	Format func(layer string, out, in int) *graph.Quantization
	// Merged is what takes the place of a layer's weight, float32 [out,in], and by
	// what it differs; nil function or weight: nothing does. A quantised weight is
	// quantised again in its format.
	Merged        func(*nn.Linear) (weight, update *graph.Array)
	MaxShardBytes int64 // 0: weights.DefaultShardBytes
}

// SaveReport is what was written.
type SaveReport struct {
	Bytes, Parameters int64 // of all tensors; elements of what they stand for
	Quantized         int   // weights that were rounded to a small format
	// Error is the distance of these from what was rounded, over the norm of that;
	// UpdateError the same over the norm of the updates. 0: nothing was rounded.
	Error, UpdateError float64
}

// BitsPerWeight is the size of a parameter in the files.
func (r SaveReport) BitsPerWeight() float64 { return 8 * float64(r.Bytes) / float64(r.Parameters) }

// saver writes the tensors of a folder.
type saver struct {
	ctx     context.Context
	f       *Folder
	opt     SaveOptions
	spill   *os.File // pieces that are made before it is their turn
	end     int64    // of spill
	garbage int64    // bytes on the device that nothing needs

	report                   SaveReport
	off, norm, offOf, update float64 // sums of squares behind Error and UpdateError
	tensors                  []weights.Lazy
}

// Save writes the weights to a folder that exists, each tensor made when it is
// written, as weights.SaveSharded does. Other files of the model are not copied.
func (f *Folder) Save(ctx context.Context, dir string, opt SaveOptions) (SaveReport, error) {
	if opt.MaxShardBytes == 0 {
		opt.MaxShardBytes = weights.DefaultShardBytes
	}
	s := &saver{ctx: ctx, f: f, opt: opt}
	var err error
	if s.spill, err = os.CreateTemp(dir, ".quantized-*.tmp"); err != nil {
		return s.report, fmt.Errorf("write model %s: %w", dir, err)
	}
	os.Remove(s.spill.Name()) // it lives as long as it is open
	defer s.spill.Close()
	s.list()
	for _, t := range s.tensors {
		size := int64(t.DType.Size())
		for _, n := range t.Shape {
			size *= int64(n)
		}
		s.report.Bytes += size
	}
	if err := weights.SaveSharded(dir, s.tensors, opt.MaxShardBytes, map[string]string{"format": "pt"}); err != nil {
		return s.report, err
	}
	if s.norm > 0 {
		s.report.Error = math.Sqrt(s.off / s.norm)
	}
	if s.update > 0 {
		s.report.UpdateError = math.Sqrt(s.offOf / s.update)
	}
	return s.report, nil
}

// list makes the list of tensors, in the order of the model.
func (s *saver) list() {
	byWeight := map[*nn.Param]Matrix{}
	part := map[*nn.Param]bool{}
	for _, m := range s.f.Matrices() {
		byWeight[m.weight] = m
		if m.packed != nil {
			part[m.packed.Scales] = true
			part[m.packed.Biases] = true
		}
	}
	for _, p := range nn.Params(s.f.Model) {
		if m, ok := byWeight[p]; ok {
			s.matrix(m)
		} else if !part[p] {
			s.floats(p.Name, p.Shape, func() *graph.Array { return p.Array }, p.Array.DType())
		}
	}
}

// dtype is what floats of dtype dt become.
func (s *saver) dtype(dt metal.DType) metal.DType {
	if s.opt.AsIs || !dt.IsFloat() {
		return dt
	}
	return s.opt.DType
}

// plain adds a tensor that stands for elements parameters.
func (s *saver) plain(name string, shape []int, dt metal.DType, data func() ([]byte, error)) {
	s.tensors = append(s.tensors, weights.Lazy{Name: name, DType: dt, Shape: shape, Data: data})
}

// floats adds a tensor whose elements value makes.
func (s *saver) floats(name string, shape []int, value func() *graph.Array, dt metal.DType) {
	dt = s.dtype(dt)
	n := int64(1)
	for _, d := range shape {
		n *= int64(d)
	}
	s.report.Parameters += n
	s.plain(name, shape, dt, func() ([]byte, error) { return s.bytes(graph.AsType(value(), dt)) })
}

// bytes evaluates a.
func (s *saver) bytes(a *graph.Array) ([]byte, error) {
	s.took(a.NBytes())
	return graph.Bytes(s.ctx, a)
}

// took notes memory on the device that an array will take, and gives back what
// earlier ones took when it is much: Go's collector does not see it grow.
func (s *saver) took(bytes int64) {
	const much = 64 << 20
	if s.garbage > 0 && s.garbage+bytes > much {
		runtime.GC()
		s.garbage = 0
	}
	s.garbage += bytes
}

// matrix adds the tensors of a weight that may be quantised, now or then.
func (s *saver) matrix(m Matrix) {
	out, in := m.Dims()
	var merged, update *graph.Array
	if m.linear != nil && s.opt.Merged != nil {
		merged, update = s.opt.Merged(m.linear)
	}
	value := func() *graph.Array { return m.Dense(s.dtype(m.dtype())) }
	if merged != nil {
		value = func() *graph.Array { return merged }
	}
	as := m.format()
	switch {
	case m.packed != nil && s.opt.Unpack:
		as = nil
	case m.packed == nil && s.opt.Format != nil:
		as = s.opt.Format(m.Name, out, in)
	case m.packed != nil && merged == nil:
		s.repeat(m)
		return
	}
	if as == nil {
		s.floats(m.Name+".weight", []int{out, in}, value, m.dtype())
		return
	}
	s.report.Parameters += int64(out) * int64(in)
	s.report.Quantized++
	s.quantized(&rounding{s: s, as: *as, value: value, update: update, dt: s.dtype(m.dtype())}, m.Name, out, in)
}

// repeat adds a quantised weight as it is.
func (s *saver) repeat(m Matrix) {
	out, in := m.Dims()
	s.report.Parameters += int64(out) * int64(in)
	for _, p := range []*nn.Param{m.weight, m.packed.Scales, m.packed.Biases} {
		if p != nil {
			dt := s.dtype(p.Array.DType())
			s.plain(p.Name, p.Shape, dt, func() ([]byte, error) { return s.bytes(graph.AsType(p.Array, dt)) })
		}
	}
}

// quantized adds words, scales and biases, which are made together.
func (s *saver) quantized(r *rounding, name string, out, in int) {
	groups, scales := []int{out, in / r.as.GroupSize}, r.dt
	if r.as.Mode != graph.QuantAffine {
		scales = metal.Uint8
	}
	s.plain(name+".weight", []int{out, in * r.as.Bits / 32}, metal.Uint32, func() ([]byte, error) { return r.take(0) })
	s.plain(name+".scales", groups, scales, func() ([]byte, error) { return r.take(1) })
	if r.as.Mode == graph.QuantAffine {
		s.plain(name+".biases", groups, r.dt, func() ([]byte, error) { return r.take(2) })
	}
}

// rounding is a weight that is being quantised. A file has its pieces far apart,
// by dtype: the first that is asked for makes all, and the others wait in a file.
type rounding struct {
	s      *saver
	as     graph.Quantization
	value  func() *graph.Array
	update *graph.Array // nil: none
	dt     metal.DType

	made    bool
	waiting [3][2]int64 // offset and size in the spill file
}

// take is piece i: words, scales, biases.
func (r *rounding) take(i int) ([]byte, error) {
	if r.made {
		b := make([]byte, r.waiting[i][1])
		_, err := r.s.spill.ReadAt(b, r.waiting[i][0])
		return b, err
	}
	pieces, err := r.make()
	if err != nil {
		return nil, err
	}
	for j, b := range pieces {
		if j == i {
			continue
		}
		r.waiting[j] = [2]int64{r.s.end, int64(len(b))}
		n, err := r.s.spill.WriteAt(b, r.s.end)
		if err != nil {
			return nil, err
		}
		r.s.end += int64(n)
	}
	r.made = true
	return pieces[i], nil
}

// make quantises the weight and notes what that changed.
func (r *rounding) make() ([][]byte, error) {
	value := r.value()
	r.s.took(int64(value.Size()) * 12) // as stored, unpacked, and words
	w := graph.AsType(value, r.dt)
	words, scales, biases := graph.Quantize(w, r.as)
	wide := func(a *graph.Array) *graph.Array {
		if a == nil || !a.DType().IsFloat() {
			return a
		}
		return graph.AsType(a, metal.Float32)
	}
	back := graph.Dequantize(words, wide(scales), wide(biases), r.as, metal.Float32)
	off, norm := graph.SumSquares(graph.Subtract(back, wide(value))), graph.SumSquares(wide(value))
	sums := []*graph.Array{off, norm}
	if r.update != nil {
		sums = append(sums, graph.SumSquares(r.update))
	}
	all := []*graph.Array{words, scales}
	if biases != nil {
		all = append(all, biases)
	}
	if err := graph.Eval(r.s.ctx, slices.Concat(all, sums)...); err != nil {
		return nil, err
	}
	if err := r.note(sums); err != nil {
		return nil, err
	}
	var pieces [][]byte
	for _, a := range all {
		b, err := r.s.bytes(a)
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, b)
	}
	r.value, r.update = nil, nil
	return pieces, nil
}

// note adds to the sums behind the report.
func (r *rounding) note(sums []*graph.Array) error {
	var v [3]float64
	for i, a := range sums {
		var err error
		if v[i], err = graph.Item(r.s.ctx, a); err != nil {
			return err
		}
	}
	r.s.off, r.s.norm = r.s.off+v[0], r.s.norm+v[1]
	if r.update != nil {
		r.s.offOf, r.s.update = r.s.offOf+v[0], r.s.update+v[2]
	}
	return nil
}
