package graph_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// calls turns bytes into calls of the API: each choice takes a byte, and no
// bytes are zeros. The same bytes make the same calls.
type calls struct {
	data []byte
	ctx  context.Context
}

// below is a number in [0, n).
func (c *calls) below(n int) int {
	if len(c.data) == 0 || n <= 1 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return int(b) % n
}

func pick[T any](c *calls, from ...T) T { return from[c.below(len(from))] }

// stock is arrays to call functions with.
type stock struct {
	plain []*graph.Array // of every dtype and many shapes
	odd   []*graph.Array // huge, strided, without a value, of a closed runtime
}

var stocked = sync.OnceValue(func() *stock {
	s := &stock{}
	shapes := [][]int{{2, 3}, {3}, {}, {4, 4}, {2, 3, 4}, {1, 2, 3, 4}, {2, 2, 4, 4}, {0}, {2, 0, 3}, {1, 1}, {5, 1}, {3, 64}, {3, 8}, {3, 1}, {2, 2, 2, 2, 2, 2, 2, 2, 2}}
	for _, dt := range metal.DTypes() {
		for _, shape := range shapes {
			n := 1
			for _, d := range shape {
				n *= d
			}
			s.plain = append(s.plain, graph.FromBytes(countingBytes(n, dt), dt, shape...))
		}
	}
	x := graph.FromSlice([]float32{1, -2, float32(math.NaN()), float32(math.Inf(1)), 0, 1e-39}, 2, 3)
	s.odd = []*graph.Array{
		x, graph.Transpose(x), graph.Flip(x), graph.BroadcastTo(x, []int{4, 2, 3}), graph.Key(7),
		graph.Placeholder(metal.Float32, 2, 3), closedArray(),
		graph.Zeros([]int{1 << 40}, metal.Float32), graph.Zeros([]int{1 << 20, 1 << 22}, metal.Int32), graph.Zeros([]int{0, 1 << 44}, metal.Float32),
		graph.Exp(x), graph.Transpose(graph.Zeros([]int{1, 2, 3, 2, 3, 2, 3, 2, 3}, metal.Float32), 8, 6, 4, 2, 0, 7, 5, 3, 1),
		graph.FromSlice([]int32{0, -7, 1 << 30, 2}), graph.FromSlice([]int64{math.MinInt64, math.MaxInt64, 1}),
	}
	return s
})

// countingBytes is n elements 0, 1, 2, … of dt; its bytes mean something else
// for the 16-bit types, whose values are small then.
func countingBytes(n int, dt metal.DType) []byte {
	raw := make([]byte, n*dt.Size())
	if dt == metal.Float32 {
		f := make([]float32, n)
		for i := range f {
			f[i] = float32(i) - 1.5
		}
		b, _ := graph.HostBytes(graph.FromSlice(f))
		return b
	}
	for i := range n {
		raw[i*dt.Size()] = byte(i)
		if dt == metal.Bool {
			raw[i] &= 1
		}
	}
	return raw
}

// closedArray is an array whose memory is gone.
func closedArray() *graph.Array {
	old, err := graph.Default()
	if err != nil {
		panic(err)
	}
	rt, err := graph.NewRuntime("soft", 0)
	if err != nil {
		panic(err)
	}
	graph.SetDefault(rt)
	defer graph.SetDefault(old)
	a := graph.Add(graph.FromSlice([]float32{1, 2, 3}), 1.0)
	if err := graph.Eval(context.Background(), a); err != nil {
		panic(err)
	}
	if err := rt.Close(); err != nil {
		panic(err)
	}
	return a
}

func (c *calls) array() *graph.Array {
	s := stocked()
	shapes := len(s.plain) / len(metal.DTypes())
	switch k := c.below(16); k {
	case 0:
		return nil
	case 1, 2:
		return pick(c, s.odd...)
	case 3, 4, 5:
		return s.plain[(int(metal.Int32)*shapes+c.below(shapes))%len(s.plain)]
	case 6, 7:
		return pick(c, s.plain...)
	default:
		return s.plain[(int(metal.Float32)*shapes+c.below(shapes))%len(s.plain)]
	}
}

func (c *calls) integer() int {
	return pick(c, 0, 1, 2, 3, -1, -2, 4, 5, 1, 0, 2, -3, 8, 64, -64, 1000, 1<<31, 1<<40, math.MaxInt, math.MinInt, graph.NotMapped+1)
}

func (c *calls) number() float64 {
	return pick(c, 0, 1, 0.5, -1, 2, 1e-5, 10, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, -1e300, 0.1, 1e-300)
}

func (c *calls) text() string {
	return pick(c, "ij,jk->ik", "mean", "none", "sum", "", "ii", "i,", "->", "ij->ji", "ijk,ikl->ijl", "a->", ",", "i->j", "ij,jk", "é", "i...", "constant", "bij,bjk->bik", "affine", "mxfp4", "nvfp4", "mxfp8", "edge", "jacobian")
}

// anything is an operand of a function that takes arrays and Go scalars.
func (c *calls) anything() any {
	return pick(c, func() any { return c.array() }, func() any { return c.array() }, func() any { return c.number() }, func() any { return c.integer() },
		func() any { return float32(c.number()) }, func() any { return c.below(2) == 0 }, func() any { return nil },
		func() any { return "1" }, func() any { return 1i })()
}

var (
	arrayType        = reflect.TypeFor[*graph.Array]()
	dtypeType        = reflect.TypeFor[metal.DType]()
	contextType      = reflect.TypeFor[context.Context]()
	anyType          = reflect.TypeFor[any]()
	runtimeType      = reflect.TypeFor[*graph.Runtime]()
	termType         = reflect.TypeFor[graph.Term]()
	funcType         = reflect.TypeFor[func([]*graph.Array) []*graph.Array]()
	lossType         = reflect.TypeFor[func([]*graph.Array) *graph.Array]()
	vjpType          = reflect.TypeFor[func(primals, cotangents, outputs []*graph.Array) []*graph.Array]()
	compiledType     = reflect.TypeFor[*graph.Compiled]()
	quantizationType = reflect.TypeFor[graph.Quantization]()
	writerType       = reflect.TypeFor[io.Writer]()
	exporterType     = reflect.TypeFor[*graph.Exporter]()
	viewType         = reflect.TypeFor[metal.View]()
	fftNormType      = reflect.TypeFor[graph.FFTNorm]()
)

// value is an argument of type t.
func (c *calls) value(t reflect.Type) reflect.Value {
	of := func(v any) reflect.Value {
		if v == nil {
			return reflect.Zero(t)
		}
		return reflect.ValueOf(v)
	}
	switch t {
	case arrayType:
		return reflect.ValueOf(c.array())
	case dtypeType:
		return of(pick(c, metal.Float32, metal.Int32, metal.Bool, metal.BFloat16, metal.Float16, metal.Uint8, metal.Int64, metal.Uint64, metal.Float64, metal.Complex64, metal.Uint32, metal.DType(99)))
	case contextType:
		return of(c.ctx)
	case anyType:
		return of(c.anything())
	case runtimeType:
		rt, _ := graph.Default()
		return of(rt)
	case termType:
		return of(pick(c, func() graph.Term { return graph.At(c.integer()) }, func() graph.Term { return graph.Pick(c.array()) }, graph.Ellipsis, graph.NewAxis,
			func() graph.Term {
				return graph.Span(c.value(reflect.TypeFor[*int]()).Interface().(*int), c.value(reflect.TypeFor[*int]()).Interface().(*int), c.value(reflect.TypeFor[*int]()).Interface().(*int))
			})())
	case funcType:
		return of(c.function())
	case lossType:
		f := c.function()
		return of(func(in []*graph.Array) *graph.Array {
			if outs := f(in); len(outs) > 0 {
				return graph.Sum(outs[0], nil, false)
			}
			return nil
		})
	case vjpType:
		return of(func(primals, cotangents, outputs []*graph.Array) []*graph.Array {
			return pick(c, primals, cotangents, nil, []*graph.Array{nil})
		})
	case compiledType:
		return of(graph.Compile(c.function(), c.value(reflect.TypeFor[graph.CompileOptions]()).Interface().(graph.CompileOptions)))
	case writerType:
		return of(io.Discard)
	case exporterType:
		return of(graph.NewExporter(c.function()))
	case viewType:
		return of(c.view())
	case fftNormType:
		return of(pick(c, graph.FFTBackward, graph.FFTOrtho, graph.FFTForward, graph.FFTNorm("none")))
	case quantizationType:
		return of(graph.Quantization{Mode: graph.QuantMode(pick(c, "", "affine", "mxfp4", "mxfp8", "nvfp4", "int4")), Bits: pick(c, 0, 4, 8, 2, 3, 5, 6, 7, -1), GroupSize: pick(c, 0, 32, 64, 16, 128, 1, -32)})
	}
	return c.valueOfKind(t)
}

// view is a range of a buffer, or of none, or beyond its end.
func (c *calls) view() metal.View {
	rt, _ := graph.Default()
	v := metal.View{Off: int64(c.integer()), Len: int64(c.integer())}
	if c.below(3) > 0 {
		v.Buf, _ = rt.Pool.Alloc(32, "test")
	}
	return v
}

func (c *calls) valueOfKind(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(c.below(2) == 1)
	case reflect.String:
		v.SetString(c.text())
	case reflect.Float32, reflect.Float64:
		v.SetFloat(c.number())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(c.integer()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(c.integer()))
	case reflect.Array:
		for i := range t.Len() {
			v.Index(i).Set(c.value(t.Elem()))
		}
	case reflect.Slice:
		n := pick(c, 2, 1, 3, 0, 4, 2, -1)
		if n >= 0 {
			v.Set(reflect.MakeSlice(t, n, n))
		}
		for i := range max(n, 0) {
			v.Index(i).Set(c.value(t.Elem()))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		for range c.below(3) {
			v.SetMapIndex(c.value(t.Key()), c.value(t.Elem()))
		}
	case reflect.Pointer:
		if c.below(3) > 0 {
			v.Set(reflect.New(t.Elem()))
			v.Elem().Set(c.value(t.Elem()))
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				v.Field(i).Set(c.value(t.Field(i).Type))
			}
		}
	default:
		panic(fmt.Sprintf("the API takes a %v: say in calls.value how to make one", t))
	}
	return v
}

// function is a function of arrays, or one that does what it should not.
func (c *calls) function() func([]*graph.Array) []*graph.Array {
	first := func(in []*graph.Array) *graph.Array {
		if len(in) == 0 {
			return graph.Scalar(1, metal.Float32)
		}
		return in[0]
	}
	all := func(f func(*graph.Array) *graph.Array) func([]*graph.Array) []*graph.Array {
		return func(in []*graph.Array) []*graph.Array { return []*graph.Array{f(first(in))} }
	}
	return pick(c, all(func(a *graph.Array) *graph.Array { return graph.Exp(a) }),
		all(func(a *graph.Array) *graph.Array { return graph.Sum(graph.Multiply(a, a), nil, false) }),
		all(func(a *graph.Array) *graph.Array { return graph.Softmax(a, -1) }),
		all(func(a *graph.Array) *graph.Array { return graph.Matmul(a, a) }),
		func(in []*graph.Array) []*graph.Array { return in },
		func([]*graph.Array) []*graph.Array { return nil },
		func([]*graph.Array) []*graph.Array { return []*graph.Array{nil} },
		all(func(a *graph.Array) *graph.Array { return graph.Sort(a, 0) }),
		all(func(a *graph.Array) *graph.Array { return graph.AsType(a, metal.Int32) }),
		all(func(a *graph.Array) *graph.Array { return graph.Reshape(a, -1) }))
}

// outcome is what a call came to.
type outcome struct {
	results []reflect.Value
	err     error // an error returned, or the *graph.Error it panicked with
	crash   string
	took    time.Duration
}

// call calls fn with arguments made of c's bytes.
func (c *calls) call(fn reflect.Value, method bool) (out outcome, args []reflect.Value) {
	t := fn.Type()
	for i := range t.NumIn() {
		v := c.value(t.In(i))
		if method && i == 0 && v.IsNil() { // as with any pointer
			v = reflect.ValueOf(stocked().plain[0])
		}
		args = append(args, v)
	}
	return guarded(func() []reflect.Value {
		if t.IsVariadic() {
			return fn.CallSlice(args)
		}
		return fn.Call(args)
	}), args
}

// guarded runs fn and says how it ended.
func guarded(fn func() []reflect.Value) (out outcome) {
	start := time.Now()
	defer func() {
		out.took = time.Since(start)
		if r := recover(); r != nil {
			e, ok := r.(*graph.Error)
			if out.err = e; !ok {
				out.err, out.crash = nil, fmt.Sprintf("panic: %v\n%s", r, debug.Stack())
			}
		}
	}()
	out.results = fn()
	for _, r := range out.results {
		if err, ok := r.Interface().(error); ok {
			out.err = err
		}
	}
	return out
}

// arraysIn collects the arrays in a result.
func arraysIn(v reflect.Value) (found []*graph.Array) {
	switch v.Kind() {
	case reflect.Pointer:
		if a, ok := v.Interface().(*graph.Array); ok && a != nil {
			found = append(found, a)
		}
	case reflect.Slice:
		for i := range v.Len() {
			found = append(found, arraysIn(v.Index(i))...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				found = append(found, arraysIn(v.Field(i))...)
			}
		}
	}
	return found
}

// describeValue writes an argument as a reader would want to see it.
func describeValue(b *strings.Builder, v reflect.Value) {
	switch x := v.Interface().(type) {
	case *graph.Array:
		if x == nil {
			b.WriteString("nil")
		} else {
			fmt.Fprintf(b, "%v", x)
		}
		return
	case metal.DType:
		b.WriteString(x.String())
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		b.WriteString("{")
		for i := range v.Len() {
			if i > 0 {
				b.WriteString(", ")
			}
			describeValue(b, v.Index(i))
		}
		b.WriteString("}")
	case reflect.Struct:
		b.WriteString("{")
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fmt.Fprintf(b, " %s: ", v.Type().Field(i).Name)
				describeValue(b, v.Field(i))
			}
		}
		b.WriteString("}")
	case reflect.Func:
		b.WriteString("func")
	case reflect.Interface:
		if v.IsNil() {
			b.WriteString("nil")
		} else {
			describeValue(b, v.Elem())
		}
	default:
		fmt.Fprintf(b, "%v", v)
	}
}
