package graphtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// Case is one recorded call of MLX.
type Case struct {
	Name    string         `json:"name"`
	Op      string         `json:"op"` // MLX's public path, such as "mx.fast.rms_norm"
	Attrs   map[string]any `json:"attrs"`
	Inputs  []string       `json:"inputs"`
	Outputs []string       `json:"outputs"`
	F32Diff []*float64     `json:"f32_diff"` // per output, for 16-bit inputs
	VJP     *struct {
		Cotangents []string   `json:"cotangents"` // per floating-point output
		Grads      []*string  `json:"grads"`      // per input
		F32Diff    []*float64 `json:"f32_diff"`   // per gradient that is there
	} `json:"vjp"`
}

// Family is a file of cases with its tensors.
type Family struct {
	Name    string
	Cases   []Case
	tensors map[string]Tensor
}

// Unsupported is why a case cannot be asked of the engine.
type Unsupported struct{ Reason string }

func (u *Unsupported) Error() string { return "unsupported: " + u.Reason }

// opsDir is the folder of the families: dir/ops, or dir itself.
func opsDir(dir string) string {
	if s, err := os.Stat(filepath.Join(dir, "ops")); err == nil && s.IsDir() {
		return filepath.Join(dir, "ops")
	}
	return dir
}

// Families lists the families of a golden folder.
func Families(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(opsDir(dir), "*.safetensors"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".safetensors"))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("golden folder %s has no *.safetensors", dir)
	}
	slices.Sort(names)
	return names, nil
}

// LoadFamily reads a family of a golden folder.
func LoadFamily(dir, name string) (*Family, error) {
	base := filepath.Join(opsDir(dir), name)
	text, err := os.ReadFile(base + ".json")
	if err != nil {
		return nil, err
	}
	f := &Family{Name: name}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // 2 and 2.0 are different arguments
	if err := d.Decode(&f.Cases); err != nil {
		return nil, fmt.Errorf("%s.json: %w", base, err)
	}
	if f.tensors, err = readTensors(base + ".safetensors"); err != nil {
		return nil, err
	}
	for _, c := range f.Cases {
		for _, key := range slices.Concat(c.Inputs, c.Outputs) {
			if _, ok := f.tensors[key]; !ok {
				return nil, fmt.Errorf("%s: case %s names tensor %q, which is not in the file", base, c.Name, key)
			}
		}
	}
	return f, nil
}

// Check runs a case with its gradients. It returns nil, an *Unsupported, or
// what differs.
func (f *Family) Check(ctx context.Context, c *Case) error {
	op, ok := ops[c.Op]
	if !ok {
		return &Unsupported{"function " + c.Op}
	}
	ins := make([]*graph.Array, len(c.Inputs))
	for i, key := range c.Inputs {
		ins[i] = f.tensors[key].Array()
	}
	got, err := f.compute(ctx, op, c, ins)
	if err != nil {
		return err
	}
	err = f.compare(ctx, op, c, got, nil)
	if err == nil || op.class.inner < reduction.inner {
		return err
	}
	for i, key := range c.Inputs {
		ins[i] = nudged(f.tensors[key]).Array()
	}
	moved, again := f.compute(ctx, op, c, ins)
	if again != nil {
		return errors.Join(err, again)
	}
	return f.compare(ctx, op, c, got, moved)
}

// nudged is t, if it is float32 or complex64, with every element moved by one rounding, up or
// down.
func nudged(t Tensor) Tensor {
	if t.DType != metal.Float32 && t.DType != metal.Complex64 {
		return t
	}
	raw := slices.Clone(t.Raw)
	rng := rand.New(rand.NewPCG(1, uint64(len(raw))))
	for i := 0; i < len(raw); i += 4 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(raw[i:]))
		binary.LittleEndian.PutUint32(raw[i:], math.Float32bits(math.Nextafter32(v, float32(math.Inf(rng.IntN(2)*2-1)))))
	}
	return Tensor{t.DType, t.Shape, raw}
}

// results are a case's outputs and gradients, evaluated, and the op's condition.
type results struct {
	outs, grads []*graph.Array
	condition   float64
}

func (f *Family) compute(ctx context.Context, op *opEntry, c *Case, ins []*graph.Array) (*results, error) {
	outs, condition, err := run(op, c, ins)
	if err != nil {
		return nil, err
	}
	if len(outs) != len(c.Outputs) {
		return nil, fmt.Errorf("%d outputs, want %d", len(outs), len(c.Outputs))
	}
	grads, err := f.gradients(op, c, ins)
	if err != nil {
		return nil, err
	}
	if op.arrange != nil {
		for i, g := range grads {
			grads[i] = bind(op, c, ins).unordered(g)
		}
	}
	return &results{outs, grads, condition}, evaluate(ctx, slices.Concat(outs, grads))
}

// evaluate is Eval that turns a panic of lowering into an error.
func evaluate(ctx context.Context, arrays []*graph.Array) (err error) {
	if e := graph.Catch(func() { err = graph.Eval(ctx, arrays...) }); e != nil {
		return e
	}
	return err
}

// run calls the op and turns panics of building the graph into errors.
func run(op *opEntry, c *Case, ins []*graph.Array) (outs []*graph.Array, condition float64, err error) {
	defer func() {
		if r := recover(); r != nil {
			switch e := r.(type) {
			case *Unsupported:
				err = e
			case *graph.Error:
				err = e
			default:
				panic(r)
			}
		}
	}()
	call := bind(op, c, ins)
	if op.condition != nil {
		condition = op.condition(call)
	}
	outs = op.fn(call)
	if op.arrange != nil {
		outs[0] = op.arrange(call, outs[0])
	}
	return outs, condition, nil
}

// call is the case's call of its own inputs.
func (f *Family) call(op *opEntry, c *Case) *call {
	ins := make([]*graph.Array, len(c.Inputs))
	for i, key := range c.Inputs {
		ins[i] = f.tensors[key].Array()
	}
	return bind(op, c, ins)
}

// recorded is an output of the case, or what has to agree of it.
func (f *Family) recorded(ctx context.Context, op *opEntry, c *Case, key string) Tensor {
	if op.arrange == nil {
		return f.tensors[key]
	}
	return tensorOf(ctx, op.arrange(f.call(op, c), f.tensors[key].Array()))
}

// recordedGradient is a gradient of the case, or what has to agree of it.
func (f *Family) recordedGradient(ctx context.Context, op *opEntry, c *Case, key string) Tensor {
	if op.arrange == nil {
		return f.tensors[key]
	}
	return tensorOf(ctx, f.call(op, c).unordered(f.tensors[key].Array()))
}

// tensorOf evaluates a.
func tensorOf(ctx context.Context, a *graph.Array) Tensor {
	raw, err := graph.Bytes(ctx, a)
	if err != nil {
		panic(err)
	}
	return Tensor{a.DType(), a.Shape(), raw}
}

// gradients are those that the case records, in order.
func (f *Family) gradients(op *opEntry, c *Case, ins []*graph.Array) ([]*graph.Array, error) {
	if c.VJP == nil {
		return nil, nil
	}
	var wrt []int
	var primals, cots []*graph.Array
	for i, key := range c.VJP.Grads {
		if key != nil {
			wrt, primals = append(wrt, i), append(primals, ins[i])
		}
	}
	for _, key := range c.VJP.Cotangents {
		cots = append(cots, f.tensors[key].Array())
	}
	var failed error
	fn := func(traced []*graph.Array) []*graph.Array {
		full := slices.Clone(ins)
		for k, i := range wrt {
			full[i] = traced[k]
		}
		outs, _, err := run(op, c, full)
		if err != nil {
			failed = err
			return cots
		}
		return slices.DeleteFunc(outs, func(o *graph.Array) bool { return !inexact(o.DType()) })
	}
	var grads []*graph.Array
	err := graph.Catch(func() { _, grads = graph.VJP(fn, primals, cots) })
	if failed != nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("gradient: %w", err)
	}
	return grads, nil
}

// compare reports where got differs from the recorded values. moved, if there,
// is the result for inputs moved by one rounding.
func (f *Family) compare(ctx context.Context, op *opEntry, c *Case, got, moved *results) error {
	var errs []error
	add := func(what string, a *graph.Array, others func(*results) *graph.Array, want Tensor, tol tolerance) {
		tol.condition = eps32 * got.condition * tol.scale
		if moved != nil {
			tol.condition += distance(ctx, a, others(moved))
		}
		errs = append(errs, compare(ctx, what, a, want, tol))
	}
	scale := f.magnitude(c.Inputs)
	for i, key := range c.Outputs {
		add(fmt.Sprintf("output %d", i), got.outs[i], func(r *results) *graph.Array { return r.outs[i] }, f.recorded(ctx, op, c, key), tolerance{op.class, noise(c.F32Diff, i), scale, 0, f.sums(ctx, op, c, "")})
	}
	if c.VJP == nil {
		return errors.Join(errs...)
	}
	scale = max(scale, 1) * f.magnitude(c.VJP.Cotangents)
	k := 0
	for i, key := range c.VJP.Grads {
		if key != nil {
			tol := tolerance{op.class.gradient(), noise(c.VJP.F32Diff, k), scale, 0, nil}
			if i == 0 {
				tol.sums = f.sums(ctx, op, c, c.VJP.Cotangents[0])
			}
			add(fmt.Sprintf("gradient of input %d", i), got.grads[k], func(r *results) *graph.Array { return r.grads[k] }, f.recordedGradient(ctx, op, c, *key), tol)
			last := len(errs) - 1
			if op.linear && errs[last] != nil && f.contradicts(ctx, op, c, i, got.grads[k]) {
				errs = errs[:last]
			}
			k++
		}
	}
	return errors.Join(errs...)
}

// sums is op.sums for the case, of its output or, for the key of a cotangent, of
// the first input's gradient.
func (f *Family) sums(ctx context.Context, op *opEntry, c *Case, cotangent string) []float64 {
	if op.sums == nil {
		return nil
	}
	var cot *graph.Array
	if cotangent != "" {
		cot = f.tensors[cotangent].Array()
	}
	a := op.sums(f.call(op, c), cot)
	if a == nil {
		return nil
	}
	v, err := graph.Floats(ctx, a)
	if err != nil {
		panic(err)
	}
	return v
}

// contradicts reports whether the recorded gradient of input i cannot be right
// and ours can: a linear function f has gradient·z = cotangent·f(z) for every z.
// f's values are held against the recorded output before. MLX 0.32.2 fails this
// where a strided slice has one element (rope of 2 traditional dims, mirrored
// padding).
func (f *Family) contradicts(ctx context.Context, op *opEntry, c *Case, i int, ours *graph.Array) bool {
	recorded, cot := decode(f.tensors[*c.VJP.Grads[i]]), decode(f.tensors[c.VJP.Cotangents[0]])
	own, err := graph.Floats(ctx, ours)
	if err != nil || len(own) != len(recorded) {
		return false
	}
	ins := make([]*graph.Array, len(c.Inputs))
	for k, key := range c.Inputs {
		ins[k] = f.tensors[key].Array()
	}
	wrong := false
	for seed := range uint64(16) {
		ins[i] = Rand(seed, -1, 1, ins[i].Shape()...)
		outs, _, err := run(op, c, ins)
		if err != nil || evaluate(ctx, outs) != nil {
			return false
		}
		z, y := decodeArray(ctx, ins[i]), decodeArray(ctx, outs[0])
		right, size := dot(cot, y)
		limit := 4 * epsilon(f.tensors[c.Inputs[i]].DType) * size
		got, _ := dot(own, z)
		if math.Abs(got-right) > limit {
			return false
		}
		got, _ = dot(recorded, z)
		wrong = wrong || math.Abs(got-right) > 2*limit
	}
	return wrong
}

// decodeArray is an evaluated array's values.
func decodeArray(ctx context.Context, a *graph.Array) []float64 {
	return decode(tensorOf(ctx, a))
}

// dot is Σ ab and √Σ(ab)², the scale of its rounding.
func dot(a, b []float64) (sum, size float64) {
	for i := range a {
		sum, size = sum+a[i]*b[i], math.Hypot(size, a[i]*b[i])
	}
	return sum, size
}

// distance is the largest finite difference of two evaluated arrays.
func distance(ctx context.Context, a, b *graph.Array) float64 {
	x, y := decodeArray(ctx, a), decodeArray(ctx, b)
	for i := range x {
		x[i] -= y[i]
	}
	return largest(x)
}

// magnitude is the largest finite absolute value of floating-point tensors.
func (f *Family) magnitude(keys []string) float64 {
	m := 0.0
	for _, key := range keys {
		if t := f.tensors[key]; inexact(t.DType) {
			m = max(m, largest(decode(t)))
		}
	}
	return m
}

func noise(diffs []*float64, i int) float64 {
	if i < len(diffs) && diffs[i] != nil {
		return *diffs[i]
	}
	return 0
}
