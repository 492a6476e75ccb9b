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
	// Merged makes rows [first,end) of what takes the place of a layer's weight,
	// float32 [rows,in], and that by which it differs; nil, or a nil result: nothing
	// does. A quantised weight is quantised again in its format.
	Merged        func(*nn.Linear) func(first, end int) (weight, update *graph.Array)
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
			s.floats(p)
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

// floats adds a tensor that is no matrix.
func (s *saver) floats(p *nn.Param) {
	dt, n := s.dtype(p.Array.DType()), int64(1)
	for _, d := range p.Shape {
		n *= int64(d)
	}
	s.report.Parameters += n
	s.plain(p.Name, p.Shape, dt, func() ([]byte, error) { return s.bytes(graph.AsType(p.Array, dt)) })
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

// sliceElements bounds the part of a matrix that is worked on at a time.
var sliceElements = 4 << 20

// source is a matrix that is read by rows: values, and what was added to them.
type source struct {
	Matrix
	out, in int
	rows    func(first, end int) (weight, update *graph.Array)
}

// each calls fn for slices of the rows. The pages of the files that were read are
// given back after each.
func (s *saver) each(m source, fn func(first, end int) error) error {
	step := max(1, sliceElements/max(m.in, 1))
	for first := 0; first < m.out; first += step {
		if err := fn(first, min(first+step, m.out)); err != nil {
			return err
		}
		if s.f.Files == nil {
			continue
		}
		for _, name := range []string{".weight", ".scales", ".biases"} {
			s.f.Files.Release(m.Name + name)
		}
	}
	return nil
}

// matrix adds the tensors of a weight that may be quantised, now or then.
func (s *saver) matrix(m Matrix) {
	from := source{Matrix: m}
	from.out, from.in = m.Dims()
	dt := s.dtype(m.dtype())
	var merged func(first, end int) (weight, update *graph.Array)
	if m.linear != nil && s.opt.Merged != nil {
		merged = s.opt.Merged(m.linear)
	}
	from.rows = merged
	if merged == nil {
		from.rows = func(first, end int) (weight, update *graph.Array) { return m.rows(dt, first, end), nil }
	}
	as := m.format()
	switch {
	case m.packed != nil && s.opt.Unpack:
		as = nil
	case m.packed == nil && s.opt.Format != nil:
		as = s.opt.Format(m.Name, from.out, from.in)
	case m.packed != nil && merged == nil:
		s.repeat(m)
		return
	}
	s.report.Parameters += int64(from.out) * int64(from.in)
	if as == nil {
		s.dense(from, dt)
		return
	}
	s.report.Quantized++
	s.quantized(&rounding{s: s, as: *as, from: from, dt: dt})
}

// dense adds a matrix of floats.
func (s *saver) dense(m source, dt metal.DType) {
	s.plain(m.Name+".weight", []int{m.out, m.in}, dt, func() ([]byte, error) {
		all := make([]byte, 0, m.out*m.in*dt.Size())
		err := s.each(m, func(first, end int) error {
			w, _ := m.rows(first, end)
			s.took(4 * w.NBytes())
			b, err := s.bytes(graph.AsType(w, dt))
			all = append(all, b...)
			return err
		})
		return all, err
	})
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
func (s *saver) quantized(r *rounding) {
	name, out, in := r.from.Name, r.from.out, r.from.in
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
	s    *saver
	as   graph.Quantization
	from source
	dt   metal.DType

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
	var pieces [3][]byte
	err := r.s.each(r.from, func(first, end int) error { return r.slice(first, end, &pieces) })
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

// slice quantises rows, and notes what that changed.
func (r *rounding) slice(first, end int, pieces *[3][]byte) error {
	value, update := r.from.rows(first, end)
	r.s.took(int64(value.Size()) * 16) // as stored, in float32, unpacked, and words
	words, scales, biases := graph.Quantize(graph.AsType(value, r.dt), r.as)
	wide := func(a *graph.Array) *graph.Array {
		if a == nil || !a.DType().IsFloat() {
			return a
		}
		return graph.AsType(a, metal.Float32)
	}
	back := graph.Dequantize(words, wide(scales), wide(biases), r.as, metal.Float32)
	sums := []*graph.Array{graph.SumSquares(graph.Subtract(back, wide(value))), graph.SumSquares(wide(value))}
	if update != nil {
		sums = append(sums, graph.SumSquares(update))
	}
	all := []*graph.Array{words, scales}
	if biases != nil {
		all = append(all, biases)
	}
	if err := graph.Eval(r.s.ctx, slices.Concat(all, sums)...); err != nil {
		return err
	}
	for i, a := range all {
		b, err := graph.Bytes(r.s.ctx, a)
		if err != nil {
			return err
		}
		pieces[i] = append(pieces[i], b...)
	}
	return r.s.note(sums)
}

// note adds to the sums behind the report.
func (s *saver) note(sums []*graph.Array) error {
	var v [3]float64
	for i, a := range sums {
		var err error
		if v[i], err = graph.Item(s.ctx, a); err != nil {
			return err
		}
	}
	s.off, s.norm = s.off+v[0], s.norm+v[1]
	if len(sums) == 3 {
		s.offOf, s.update = s.offOf+v[0], s.update+v[2]
	}
	return nil
}
