package graph

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// MetalKernel is a kernel that the calling program writes: Source is the body of
// a Metal function, and its signature is made from the arrays of a [MetalKernel.Call].
//
// In the body, an input is a device const pointer of that name (a reference if
// the array has no axes), an output a device pointer. x_shape, x_strides and
// x_ndim of an input x are there if the body names them, and so are Metal's
// thread attributes, such as thread_position_in_grid (a uint3), and
// elem_to_loc(index, x_shape, x_strides, x_ndim). docs/kernel-dialect.md says
// what of Metal the software device has; it compiles the kernel with the C++
// compiler of CXX, or c++, g++ or clang++, which has to be installed. A kernel
// that does not compile is an error of Eval with the compiler's message, whose
// lines are those of Source.
//
// A call has no gradient of its own: [CustomFunction] gives it one. Mirrors
// mx.fast.metal_kernel.
type MetalKernel struct {
	Name                    string // for messages: letters, digits and underscores
	InputNames, OutputNames []string
	Source                  string
	Header                  string // what stands before the function: helpers, macros
	StridedInputs           bool   // inputs may be views, to be read by x_strides: MLX's ensure_row_contiguous=False
	AtomicOutputs           bool   // outputs are device atomic<T>*
}

// MetalCall is the arguments of one call of a [MetalKernel].
type MetalCall struct {
	Inputs       []any         // arrays or Go scalars, one per input name
	Template     []TemplateArg // arguments of the function's template
	Grid         [3]int        // threads in all; missing axes are 1
	Threadgroup  [3]int        // threads of a threadgroup, at most 1024 together
	OutputShapes [][]int       // one per output name
	OutputDTypes []metal.DType
	InitValue    any // a number that the outputs hold before; nil: anything
}

// TemplateArg is an argument of a kernel's template: a metal.DType, an int or a
// bool.
type TemplateArg struct {
	Name  string
	Value any
}

// identifier is what may be a name in a kernel.
var identifier = regexp.MustCompile(`^[A-Za-z_]\w*$`)

// Call makes the outputs by one launch of the kernel.
func (k MetalKernel) Call(c MetalCall) []*Array {
	op := metalKernel{noGradient: noGradient{k.title()}, op: k.custom(c)}
	op.init, op.filled = initNumber(k.title(), c.InitValue)
	in := k.inputs(c)
	outs := make([]*Array, len(k.OutputNames))
	for i := range outs {
		outs[i] = &Array{shape: slices.Clone(c.OutputShapes[i]), dtype: c.OutputDTypes[i]}
	}
	return apply(op, in, outs...)
}

// Text is the source that a call is compiled from, for reading: MLX's verbose.
func (k MetalKernel) Text(c MetalCall) string {
	op := k.custom(c)
	var in, out []kernels.Tensor
	for _, a := range k.inputs(c) {
		in = append(in, kernels.Tensor{DType: a.dtype, Shape: a.shape, Strides: kernels.RowMajor(a.shape)})
	}
	for i, shape := range c.OutputShapes {
		out = append(out, kernels.Tensor{DType: c.OutputDTypes[i], Shape: shape})
	}
	src, _ := op.Text(in, out)
	return src.Text
}

func (k MetalKernel) title() string { return "MetalKernel " + k.Name }

// inputs is the arrays of a call.
func (k MetalKernel) inputs(c MetalCall) []*Array {
	in := make([]*Array, len(c.Inputs))
	for i, v := range c.Inputs {
		in[i] = asArray(k.title(), v)
		check(kernels.CustomType(in[i].dtype), k.title(), "input %s is %s, which kernels cannot take", k.InputNames[i], in[i])
	}
	return in
}

// custom checks what does not depend on the inputs' dtypes.
func (k MetalKernel) custom(c MetalCall) kernels.CustomOp {
	title := k.title()
	check(identifier.MatchString(k.Name), "MetalKernel", "name %q, want letters, digits and underscores", k.Name)
	check(len(k.OutputNames) > 0, title, "no output")
	check(len(c.Inputs) == len(k.InputNames), title, "%d inputs for the names %v", len(c.Inputs), k.InputNames)
	check(len(c.OutputShapes) == len(k.OutputNames) && len(c.OutputDTypes) == len(k.OutputNames), title,
		"%d shapes and %d dtypes for the outputs %v", len(c.OutputShapes), len(c.OutputDTypes), k.OutputNames)
	op := kernels.CustomOp{Name: k.Name, Inputs: k.InputNames, Outputs: k.OutputNames, Body: k.Source, Header: k.Header, Strided: k.StridedInputs, Atomic: k.AtomicOutputs}
	names := slices.Concat(k.InputNames, k.OutputNames)
	for _, a := range c.Template {
		names = append(names, a.Name)
		switch v := a.Value.(type) {
		case int, bool:
		case metal.DType:
			check(kernels.CustomType(v), title, "template argument %s is %s, which kernels cannot take", a.Name, v)
		default:
			fail(title, "template argument %s is %v (%T), want a metal.DType, an int or a bool", a.Name, a.Value, a.Value)
		}
		op.Template = append(op.Template, kernels.CustomArg(a))
	}
	for i, n := range names {
		check(identifier.MatchString(n) && !slices.Contains(names[:i], n), title, "the name %q is not an identifier, or is there twice", n)
	}
	for i, dt := range c.OutputDTypes {
		check(kernels.CustomType(dt), title, "output %s is %s, which kernels cannot make", k.OutputNames[i], dt)
		check(!k.AtomicOutputs || dt.Size() == 4, title, "output %s is %s, atomic outputs have 32 bits", k.OutputNames[i], dt)
		for _, d := range c.OutputShapes[i] {
			check(d >= 0, title, "output %s has shape %v", k.OutputNames[i], c.OutputShapes[i])
		}
	}
	op.Grid, op.Group = launchSize(title, c.Grid, c.Threadgroup)
	return op
}

// initNumber is the number of InitValue, if there is one.
func initNumber(title string, v any) (x float64, filled bool) {
	switch v := v.(type) {
	case nil:
		return 0, false
	case float64:
		return v, true
	case int:
		return float64(v), true
	case bool:
		if v {
			x = 1
		}
		return x, true
	}
	fail(title, "InitValue is a %T, want a float64, an int or a bool", v)
	return 0, false
}

// launchSize is the grid and the threadgroup, which is no larger than the grid.
func launchSize(title string, grid, group [3]int) (g, t metal.Size) {
	for i := 1; i < 3; i++ {
		grid[i], group[i] = orOne(grid[i]), orOne(group[i])
	}
	for i := range 3 {
		check(grid[i] >= 1 && group[i] >= 1, title, "grid %v and threadgroup %v, want positive extents", grid, group)
		group[i] = min(group[i], grid[i])
	}
	t = metal.Size{X: group[0], Y: group[1], Z: group[2]}
	check(t.Count() <= 1024, title, "threadgroup %v has %d threads, at most 1024", group, t.Count())
	return metal.Size{X: grid[0], Y: grid[1], Z: grid[2]}, t
}

// orOne is an extent, 1 where it is not given.
func orOne(n int) int {
	if n == 0 {
		return 1
	}
	return n
}

// metalKernel is one call.
type metalKernel struct {
	noGradient
	op     kernels.CustomOp
	init   float64
	filled bool // with init, before the launch
}

func (op metalKernel) String() string { return fmt.Sprintf("%s%v", op.name, op.op.Template) }

func (op metalKernel) Lower(l *Lowering, in, out []kernels.Tensor) {
	in, out = slices.Clone(in), slices.Clone(out)
	size := 0
	for i := range in {
		if !op.op.Strided {
			in[i] = l.Contiguous(in[i])
		}
	}
	for i := range out {
		out[i] = l.orScratch(out[i])
		size += out[i].Size()
		if op.filled {
			kernels.Fill(l, out[i], op.init)
		}
	}
	if size > 0 {
		kernels.Custom(l, op.op, in, out)
	}
}
