package tree

import (
	"context"
	"reflect"

	"github.com/ftmetal/ftmetal/graph"
)

// Arrays lists the arrays of trees, in order.
func Arrays(roots ...any) []*graph.Array {
	var all []*graph.Array
	for _, r := range roots {
		for _, l := range Flatten(r) {
			all = append(all, l.Array)
		}
	}
	return all
}

// Eval computes the arrays of trees: single arrays, structs, maps, slices.
// Mirrors mx.eval.
func Eval(ctx context.Context, roots ...any) error { return graph.Eval(ctx, Arrays(roots...)...) }

// Map is a copy of a tree with fn applied to every array. What is not a tree (a
// number, a function, a field without a name) is the same in both. Mirrors
// utils.tree_map and utils.tree_map_with_path.
func Map[T any](root T, fn func(name string, a *graph.Array) *graph.Array) T {
	c := clone(root)
	for _, l := range Flatten(&c) {
		l.Set(fn(l.Name, l.Array))
	}
	return c
}

// Replace is a copy of a tree with other arrays, in the order of [Flatten].
// Mirrors utils.tree_unflatten.
func Replace[T any](root T, arrays []*graph.Array) T {
	c := clone(root)
	leaves := Flatten(&c)
	graph.Check(len(leaves) == len(arrays), "tree.Replace", "%d arrays for a tree of %d", len(arrays), len(leaves))
	for i, l := range leaves {
		l.Set(arrays[i])
	}
	return c
}

// Reduce folds the arrays of a tree into one value. Mirrors
// utils.tree_reduce.
func Reduce[S any](root any, start S, fold func(S, *graph.Array) S) S {
	for _, a := range Arrays(root) {
		start = fold(start, a)
	}
	return start
}

// Named is a tree's arrays by name: what a file of weights holds.
func Named(root any) map[string]*graph.Array {
	m := map[string]*graph.Array{}
	for _, l := range Flatten(root) {
		m[l.Name] = l.Array
	}
	return m
}

// clone copies what a walk goes through, so that leaves of the copy can be set.
// What two pointers share stays shared.
func clone[T any](root T) T {
	var c T
	at := reflect.ValueOf(&c).Elem()
	at.Set(copier{}.copy(reflect.ValueOf(&root).Elem()))
	return c
}

// copier maps the pointers that were copied to their copies.
type copier map[any]reflect.Value

func (c copier) copy(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		return c.pointer(v)
	case reflect.Interface:
		if !v.IsNil() {
			w := reflect.New(v.Type()).Elem()
			w.Set(c.copy(v.Elem()))
			return w
		}
	case reflect.Slice:
		if !v.IsNil() && !isPlain(v.Type().Elem()) {
			w := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			for i := range v.Len() {
				w.Index(i).Set(c.copy(v.Index(i)))
			}
			return w
		}
	case reflect.Array:
		w := reflect.New(v.Type()).Elem()
		for i := range v.Len() {
			w.Index(i).Set(c.copy(v.Index(i)))
		}
		return w
	case reflect.Map:
		if keys := sortedKeys(v); keys != nil {
			w := reflect.MakeMap(v.Type())
			for _, k := range keys {
				w.SetMapIndex(k, c.copy(v.MapIndex(k)))
			}
			return w
		}
	case reflect.Struct:
		w := reflect.New(v.Type()).Elem()
		w.Set(v)
		for i := range v.NumField() {
			if _, ok := fieldName(v.Type().Field(i)); ok {
				w.Field(i).Set(c.copy(v.Field(i)))
			}
		}
		return w
	}
	return v
}

func (c copier) pointer(v reflect.Value) reflect.Value {
	if v.IsNil() {
		return v
	}
	if _, ok := v.Interface().(*graph.Array); ok {
		return v
	}
	if w, ok := c[v.Interface()]; ok {
		return w
	}
	w := reflect.New(v.Type().Elem())
	c[v.Interface()] = w
	w.Elem().Set(c.copy(v.Elem()))
	return w
}
