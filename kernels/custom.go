package kernels

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/metal"
)

// CustomOp is a kernel that the calling program wrote: the body of a Metal
// function, whose signature Custom makes from the operands.
type CustomOp struct {
	Name            string
	Inputs, Outputs []string // their names in the body
	Template        []CustomArg
	Body, Header    string
	Strided         bool // inputs may be views; the body reads x_strides
	Atomic          bool // outputs are device atomic<T>*
	Grid, Group     metal.Size
}

// CustomArg is an argument of the kernel's template: a dtype, an int or a bool.
type CustomArg struct {
	Name  string
	Value any
}

// customTypes are the types of elements by dtype.
var customTypes = map[metal.DType]string{
	metal.Bool: "bool", metal.Uint8: "uint8_t", metal.Uint16: "uint16_t", metal.Uint32: "uint32_t", metal.Uint64: "uint64_t",
	metal.Int8: "int8_t", metal.Int16: "int16_t", metal.Int32: "int32_t", metal.Int64: "int64_t",
	metal.Float16: "float16_t", metal.BFloat16: "bfloat16_t", metal.Float32: "float",
}

// CustomType reports whether custom kernels can take elements of dt.
func CustomType(dt metal.DType) bool { return customTypes[dt] != "" }

// customAttributes are the thread attributes that a body may name, with the types
// that they have in it.
var customAttributes = []struct{ name, kind string }{
	{"dispatch_simdgroups_per_threadgroup", "uint"},
	{"dispatch_threads_per_threadgroup", "uint3"},
	{"quadgroup_index_in_threadgroup", "uint"},
	{"quadgroups_per_threadgroup", "uint"},
	{"simdgroup_index_in_threadgroup", "uint"},
	{"simdgroups_per_threadgroup", "uint"},
	{"thread_execution_width", "uint"},
	{"thread_index_in_quadgroup", "uint"},
	{"thread_index_in_simdgroup", "uint"},
	{"thread_index_in_threadgroup", "uint"},
	{"thread_position_in_grid", "uint3"},
	{"thread_position_in_threadgroup", "uint3"},
	{"threadgroup_position_in_grid", "uint3"},
	{"threadgroups_per_grid", "uint3"},
	{"threads_per_grid", "uint3"},
	{"threads_per_simdgroup", "uint"},
	{"threads_per_threadgroup", "uint3"},
}

// customHelpers is what bodies may call besides Metal's library.
const customHelpers = `#ifndef TENSOR_OPS
#define TENSOR_OPS 0
#endif

// elem_to_loc is where element elem of a strided array lies.
template <typename I>
METAL_FUNC int64_t elem_to_loc(I elem, constant int* shape, constant int64_t* strides, int ndim) {
  int64_t loc = 0;
  for (int i = ndim - 1; i >= 0 && elem > 0; i--) {
    loc += int64_t(elem % I(shape[i])) * strides[i];
    elem /= I(shape[i]);
  }
  return loc;
}
`

// customArgs collects the members of the args struct and their values: 64-bit
// ones first, as in every args struct.
type customArgs struct {
	wide, narrow []string
	wideValues   []int64
	narrowValues []int32
}

func (a *customArgs) add64(name string, values []int) {
	a.wide = append(a.wide, fmt.Sprintf("int64_t %s[%d];", name, max(len(values), 1)))
	for _, v := range values {
		a.wideValues = append(a.wideValues, int64(v))
	}
	if len(values) == 0 {
		a.wideValues = append(a.wideValues, 0)
	}
}

func (a *customArgs) add32(name string, values []int) {
	a.narrow = append(a.narrow, fmt.Sprintf("int32_t %s[%d];", name, max(len(values), 1)))
	for _, v := range values {
		a.narrowValues = append(a.narrowValues, int32(v))
	}
	if len(values) == 0 {
		a.narrowValues = append(a.narrowValues, 0)
	}
}

// bytes is the struct in memory. It has no padding, and at least one member.
func (a *customArgs) bytes() []byte {
	if n := len(a.narrowValues); n%2 == 1 || n == 0 && len(a.wideValues) == 0 {
		a.add32("reserved", make([]int, 2-n%2))
	}
	var out []byte
	for _, v := range a.wideValues {
		out = binary.LittleEndian.AppendUint64(out, uint64(v))
	}
	for _, v := range a.narrowValues {
		out = binary.LittleEndian.AppendUint32(out, uint32(v))
	}
	return out
}

// Custom runs op. Inputs are contiguous unless op is Strided.
func Custom(e Emitter, op CustomOp, in, out []Tensor) {
	src, args := op.Text(in, out)
	d := metal.Dispatch{Kernel: src.Name, Source: src, Args: args, Grid: op.Grid, Group: op.Group}
	for _, t := range in {
		d.In = append(d.In, t.View)
	}
	for _, t := range out {
		d.Out = append(d.Out, t.View)
	}
	e.Emit(d)
}

// Text is the whole source of the kernel for operands like in and out, and the
// contents of its args struct. #line directives name Header "<name> header" and
// Body "<name>" in the messages of compilers.
func (op CustomOp) Text(in, out []Tensor) (*metal.Source, []byte) {
	var args customArgs
	var params, prelude []string
	param := func(format string, a ...any) {
		params = append(params, fmt.Sprintf("    "+format, append(a, len(params))...))
	}
	for i, t := range in {
		op.input(i, t, &args, param, &prelude)
	}
	for i, t := range out {
		kind := customTypes[t.DType]
		if op.Atomic {
			kind = "atomic<" + kind + ">"
		}
		param("device %s* %s [[buffer(%d)]]", kind, op.Outputs[i])
	}
	values := args.bytes()
	param("constant CustomArgs& custom_args [[buffer(%d)]]")
	for _, a := range customAttributes {
		if mentions(op.Body, a.name) {
			params = append(params, fmt.Sprintf("    %s custom_%s [[%s]]", a.kind, a.name, a.name))
			// On the software device the attribute is a macro until here.
			prelude = append(prelude, "#undef "+a.name, "#define "+a.name+" custom_"+a.name)
		}
	}
	var b strings.Builder
	b.WriteString("#include \"kernel.h\"\n\n" + customHelpers)
	fmt.Fprintf(&b, "#line 1 %q\n%s\n#line 1 %q\n", op.Name+" header", op.Header, op.Name+" signature")
	fmt.Fprintf(&b, "struct CustomArgs {\n  %s\n};\n", strings.Join(append(slices.Clone(args.wide), args.narrow...), "\n  "))
	fmt.Fprintf(&b, "template <%s>\n[[kernel]] void custom_kernel(\n%s) {\n%s\n", op.templateParams(), strings.Join(params, ",\n"), strings.Join(prelude, "\n"))
	fmt.Fprintf(&b, "#line 1 %q\n%s\n", op.Name, sharedMemory(op.Body))
	// No block round the body: threadgroup memory is declared in a kernel's own.
	fmt.Fprintf(&b, "#line 1 %q\n}\n", op.Name+" end")
	src := &metal.Source{Name: op.Name, Text: b.String()}
	src.Name = "custom_" + op.Name + "_" + src.Key()[:12]
	src.Text += fmt.Sprintf("instantiate_kernel(%q, custom_kernel, %s)\n", src.Name, op.templateValues())
	return src, values
}

// input declares input i: a pointer, or a reference to the element of an array
// without axes; its shape, strides and number of axes where the body names them.
func (op CustomOp) input(i int, t Tensor, args *customArgs, param func(string, ...any), prelude *[]string) {
	name, kind := op.Inputs[i], customTypes[t.DType]
	at := name
	if len(t.Shape) == 0 || op.Strided {
		at = "custom_" + name
	}
	param("device const %s* %s [[buffer(%d)]]", kind, at)
	switch {
	case len(t.Shape) == 0:
		*prelude = append(*prelude, fmt.Sprintf("device const %s& %s = %s[%d];", kind, name, at, t.Offset))
	case op.Strided:
		args.add64(name+"_offset", []int{t.Offset})
		*prelude = append(*prelude, fmt.Sprintf("device const %s* %s = %s + custom_args.%s_offset[0];", kind, name, at, name))
	}
	if mentions(op.Body, name+"_shape") {
		args.add32(name+"_shape", t.Shape)
		*prelude = append(*prelude, fmt.Sprintf("constant int* %[1]s_shape = custom_args.%[1]s_shape;", name))
	}
	if mentions(op.Body, name+"_strides") {
		args.add64(name+"_strides", t.Strides)
		*prelude = append(*prelude, fmt.Sprintf("constant int64_t* %[1]s_strides = custom_args.%[1]s_strides;", name))
	}
	if mentions(op.Body, name+"_ndim") {
		args.add32(name+"_ndim", []int{len(t.Shape)})
		*prelude = append(*prelude, fmt.Sprintf("constant int& %[1]s_ndim = custom_args.%[1]s_ndim[0];", name))
	}
}

// mentions reports whether text has word as a token.
func mentions(text, word string) bool {
	for rest := text; ; {
		i := strings.Index(rest, word)
		if i < 0 {
			return false
		}
		end := i + len(word)
		if (i == 0 || !wordByte(rest[i-1])) && (end == len(rest) || !wordByte(rest[end])) {
			return true
		}
		rest = rest[end:]
	}
}

func wordByte(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

func (op CustomOp) templateParams() string {
	if len(op.Template) == 0 {
		return "int = 0"
	}
	var list []string
	for _, a := range op.Template {
		kind := "int"
		switch a.Value.(type) {
		case metal.DType:
			kind = "typename"
		case bool:
			kind = "bool"
		}
		list = append(list, kind+" "+a.Name)
	}
	return strings.Join(list, ", ")
}

func (op CustomOp) templateValues() string {
	if len(op.Template) == 0 {
		return "0"
	}
	var list []string
	for _, a := range op.Template {
		if dt, ok := a.Value.(metal.DType); ok {
			list = append(list, customTypes[dt])
			continue
		}
		list = append(list, fmt.Sprint(a.Value))
	}
	return strings.Join(list, ", ")
}

// threadgroupArrays are declarations of threadgroup memory: a type, and names
// with extents.
var threadgroupArrays = regexp.MustCompile(`\bthreadgroup\s+((?:(?:un)?signed\s+)?[A-Za-z_][\w:]*(?:\s*<[^<>;]*>)?)\s+(\w+\s*(?:\[[^\];]*\]\s*)*(?:,\s*\w+\s*(?:\[[^\];]*\]\s*)*)*);`)

// sharedMemory writes declarations of threadgroup memory as the dialect does,
// on the same lines.
func sharedMemory(body string) string {
	return threadgroupArrays.ReplaceAllStringFunc(body, func(s string) string {
		m := threadgroupArrays.FindStringSubmatch(s)
		var out strings.Builder
		for _, d := range strings.Split(m[2], ",") {
			d = strings.TrimSpace(d)
			name, dims := d, ""
			if i := strings.IndexByte(d, '['); i >= 0 {
				name, dims = strings.TrimSpace(d[:i]), d[i:]
			}
			fmt.Fprintf(&out, "typedef %s custom_type_%s; shared_memory(custom_type_%s, %s, %s); ", m[1], name, name, name, dims)
		}
		return strings.TrimSpace(out.String()) + strings.Repeat("\n", strings.Count(s, "\n")-strings.Count(out.String(), "\n"))
	})
}
