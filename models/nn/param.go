package nn

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
)

// Param is one weight: its name in the checkpoint and the array that holds it.
type Param struct {
	Name  string
	Shape []int // what the configuration asks for
	Array *graph.Array
}

// NewParam is a parameter of that shape without data.
func NewParam(shape ...int) *Param { return &Param{Shape: shape} }

// Walk calls visit for every parameter of module, a pointer to a struct, with
// its dotted name: the `name` tags of the fields, and the index of each element
// of a slice. Nil pointers are absent parts. The parameters' names are set.
func Walk(module any, visit func(p *Param)) {
	walk(reflect.ValueOf(module), nil, func(part any, path []string) bool {
		p, ok := part.(*Param)
		if ok {
			p.Name = strings.Join(path, ".")
			visit(p)
		}
		return ok
	})
}

// walk goes through the parts of v, up to those that visit takes.
func walk(v reflect.Value, path []string, visit func(part any, path []string) bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if !visit(v.Interface(), path) {
			walk(v.Elem(), path, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), append(path[:len(path):len(path)], strconv.Itoa(i)), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if tag := v.Type().Field(i).Tag.Get("name"); tag != "" {
				walk(v.Field(i), append(path[:len(path):len(path)], tag), visit)
			}
		}
	}
}

// Params lists the parameters of module in the order of its fields.
func Params(module any) []*Param {
	var all []*Param
	Walk(module, func(p *Param) { all = append(all, p) })
	return all
}

// Linears lists the linear layers of module by their dotted names, in order.
func Linears(module any) (names []string, layers []*Linear) {
	walk(reflect.ValueOf(module), nil, func(part any, path []string) bool {
		l, ok := part.(*Linear)
		if ok {
			names, layers = append(names, strings.Join(path, ".")), append(layers, l)
		}
		return ok
	})
	return names, layers
}

// CheckShape reports whether an array of that shape can be p.
func (p *Param) CheckShape(shape []int) error {
	if !slices.Equal(shape, p.Shape) {
		return fmt.Errorf("tensor %q has shape %v, want %v by config.json", p.Name, shape, p.Shape)
	}
	return nil
}
