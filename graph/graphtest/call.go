package graphtest

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
)

// opEntry translates one MLX function. params are MLX's parameter names in
// order; "*name" takes the positional arguments that are left. Raw functions
// get the inputs as they are and read "$i" themselves.
type opEntry struct {
	params string
	class  class
	raw    bool
	linear bool // in its one differentiable input, without a constant part
	fn     func(c *call) []*graph.Array

	// condition, if there, is the factor by which a rounding inside moves the
	// result, relative to the operands.
	condition func(c *call) float64

	// sums, if there, is for each element of the output, or of the gradient of the
	// first input for a cotangent of it, what roundings of sums in the storage
	// dtype may come to; nil: those are float32's.
	sums func(c *call, cotangent *graph.Array) *graph.Array

	// arrange, if there, is for results whose order is unspecified: it makes
	// what has to agree of them.
	arrange func(c *call, out *graph.Array) *graph.Array
}

// call is a function call with its arguments by name. Values are *graph.Array,
// float64, int, bool, string, nil or []any.
type call struct {
	name  string
	ins   []*graph.Array
	named map[string]any
}

func unsupported(format string, args ...any) {
	panic(&Unsupported{fmt.Sprintf(format, args...)})
}

// bind makes the call that a case describes.
func bind(op *opEntry, c *Case, ins []*graph.Array) *call {
	out := &call{name: c.Op, ins: ins, named: map[string]any{}}
	used := map[int]bool{}
	params := strings.Fields(op.params)
	known := map[string]bool{}
	for _, p := range params {
		known[strings.TrimPrefix(p, "*")] = true
	}
	for k, v := range c.Attrs {
		if strings.HasPrefix(k, "_") || k == "args" {
			continue
		}
		if !known[k] {
			unsupported("argument %s of %s", k, c.Op)
		}
		if op.raw {
			out.named[k] = plain(v)
			continue
		}
		out.named[k] = resolve(v, ins, used)
	}
	if op.raw {
		return out
	}
	var positional []any
	if list, ok := c.Attrs["args"]; ok {
		positional, _ = resolve(list, ins, used).([]any)
	} else {
		for i, a := range ins {
			if !used[i] {
				positional = append(positional, a)
			}
		}
	}
	out.assign(params, positional)
	return out
}

func (c *call) assign(params []string, positional []any) {
	for i, v := range positional {
		if i < len(params) {
			if rest, ok := strings.CutPrefix(params[i], "*"); ok {
				c.named[rest] = positional[i:]
				return
			}
			c.named[params[i]] = v
			continue
		}
		unsupported("%d positional arguments of %s", len(positional), c.name)
	}
}

// plain turns JSON numbers into float64 or int.
func plain(v any) any {
	switch x := v.(type) {
	case json.Number:
		if strings.ContainsAny(x.String(), ".eE") {
			f, _ := x.Float64()
			return f
		}
		n, err := strconv.ParseInt(x.String(), 10, 64)
		if err != nil { // a seed of 64 bits
			u, _ := strconv.ParseUint(x.String(), 10, 64)
			n = int64(u)
		}
		return int(n)
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = plain(x[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k := range x {
			out[k] = plain(x[k])
		}
		return out
	}
	return v
}

// resolve is plain with "$i" replaced by input i.
func resolve(v any, ins []*graph.Array, used map[int]bool) any {
	switch x := v.(type) {
	case string:
		if i, ok := reference(x); ok && i < len(ins) {
			used[i] = true
			return ins[i]
		}
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = resolve(x[i], ins, used)
		}
		return out
	}
	return plain(v)
}

func reference(s string) (int, bool) {
	var i int
	n, err := fmt.Sscanf(s, "$%d", &i)
	return i, n == 1 && err == nil
}

// has reports whether an argument is given and not None.
func (c *call) has(name string) bool { return c.named[name] != nil }

// operand is an array or a weak scalar.
func (c *call) operand(name string) any {
	v := c.named[name]
	switch v.(type) {
	case *graph.Array, float64, int, bool:
		return v
	}
	unsupported("argument %s of %s is %v", name, c.name, v)
	return nil
}

// array is an argument that has to be an array.
func (c *call) array(name string) *graph.Array {
	a, ok := c.named[name].(*graph.Array)
	if !ok {
		unsupported("argument %s of %s is %v, not an array", name, c.name, c.named[name])
	}
	return a
}

// optional is an array, or nil for None.
func (c *call) optional(name string) *graph.Array {
	if !c.has(name) {
		return nil
	}
	return c.array(name)
}

func (c *call) number(name string, fallback float64) float64 {
	switch v := c.named[name].(type) {
	case nil:
		return fallback
	case float64:
		return v
	case int:
		return float64(v)
	}
	unsupported("argument %s of %s is %v, not a number", name, c.name, c.named[name])
	return 0
}

func (c *call) integer(name string, fallback int) int {
	v := c.number(name, float64(fallback))
	if v != math.Trunc(v) {
		unsupported("argument %s of %s is %v, not an integer", name, c.name, v)
	}
	return int(v)
}

func (c *call) flag(name string, fallback bool) bool {
	switch v := c.named[name].(type) {
	case nil:
		return fallback
	case bool:
		return v
	}
	unsupported("argument %s of %s is %v, not a bool", name, c.name, c.named[name])
	return false
}

func (c *call) text(name, fallback string) string {
	switch v := c.named[name].(type) {
	case nil:
		return fallback
	case string:
		return v
	}
	unsupported("argument %s of %s is %v, not a string", name, c.name, c.named[name])
	return ""
}

// ints is a list of integers; one integer is a list of one, None is nil.
func (c *call) ints(name string) []int { return intsOf(c.named[name], c.name, name) }

func intsOf(v any, fn, name string) []int {
	switch x := v.(type) {
	case nil:
		return nil
	case int:
		return []int{x}
	case []any:
		out := make([]int, len(x))
		for i, e := range x {
			n, ok := e.(int)
			if !ok {
				unsupported("argument %s of %s is %v", name, fn, v)
			}
			out[i] = n
		}
		return out
	}
	unsupported("argument %s of %s is %v", name, fn, v)
	return nil
}

// list is the elements of a list argument.
func (c *call) list(name string) []any {
	v, ok := c.named[name].([]any)
	if !ok {
		unsupported("argument %s of %s is %v, not a list", name, c.name, c.named[name])
	}
	return v
}

// arrays is a list of arrays.
func (c *call) arrays(name string) []*graph.Array {
	var out []*graph.Array
	for _, v := range c.list(name) {
		a, ok := v.(*graph.Array)
		if !ok {
			unsupported("argument %s of %s has the element %v", name, c.name, v)
		}
		out = append(out, a)
	}
	return out
}

func (c *call) dtype(name string, fallback metal.DType) metal.DType {
	s := c.text(name, "")
	if s == "" {
		return fallback
	}
	dt, err := metal.ParseDType(s)
	if err != nil || dt == metal.Float64 {
		unsupported("dtype %s", s)
	}
	return dt
}

func one(a *graph.Array) []*graph.Array { return []*graph.Array{a} }
