package tree

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/ftmetal/ftmetal/graph"
)

// Leaf is one array of a tree.
type Leaf struct {
	Name  string
	Array *graph.Array
	place place
}

// Set puts another array in the leaf's place. The tree must be one that can be
// changed: a pointer, a map or a slice.
func (l Leaf) Set(a *graph.Array) {
	graph.Check(l.place.put(a), "tree.Set", "leaf %q lies in a value that was passed by copy; pass a pointer to it", l.Name)
}

// Flatten lists the arrays of a tree with their names. Absent (nil) parts have
// no leaves. Mirrors utils.tree_flatten.
func Flatten(root any) []Leaf {
	var all []Leaf
	w := walker{seen: map[any]bool{}, leaf: func(l Leaf) { all = append(all, l) }}
	w.walk(place{slot: reflect.ValueOf(root)}, nil)
	return all
}

// Part is a struct of a tree that a pointer leads to.
type Part struct {
	Name  string // empty for the root
	Value any    // the pointer
	place place
}

// Replace puts another value in the part's place, and reports whether that can
// hold it: a field of an interface type holds what implements it.
func (p Part) Replace(value any) bool { return p.place.put(value) }

// Walk calls visit for every struct that a pointer in the tree leads to, outer
// ones first. What it holds follows if visit returns true.
func Walk(root any, visit func(Part) bool) {
	w := walker{seen: map[any]bool{}, part: visit}
	w.walk(place{slot: reflect.ValueOf(root)}, nil)
}

// place is where a value lies. Elements of maps and structs within interfaces
// cannot be changed in place: they are copies, which commit stores again.
type place struct {
	slot   reflect.Value
	commit func() // may be nil
}

func (p place) put(value any) bool {
	v := reflect.ValueOf(value)
	if !p.slot.CanSet() || !v.IsValid() || !v.Type().AssignableTo(p.slot.Type()) {
		return false
	}
	p.slot.Set(v)
	if p.commit != nil {
		p.commit()
	}
	return true
}

// copied is a changeable copy of v, which store takes back.
func copied(v reflect.Value, store func(reflect.Value), commit func()) place {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return place{c, func() {
		store(c)
		if commit != nil {
			commit()
		}
	}}
}

// walker goes through a tree. seen holds the pointers that were followed.
type walker struct {
	seen map[any]bool
	leaf func(Leaf)      // may be nil
	part func(Part) bool // may be nil
}

func (w *walker) walk(at place, path []string) {
	v := at.slot
	if v.Kind() == reflect.Interface {
		v = v.Elem()
		if k := v.Kind(); (k == reflect.Struct || k == reflect.Array) && at.slot.CanSet() {
			at = copied(v, at.slot.Set, at.commit)
			v = at.slot
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			w.pointer(v, at, path)
		}
	case reflect.Slice, reflect.Array:
		if isPlain(v.Type().Elem()) {
			return
		}
		for i := range v.Len() {
			w.walk(place{v.Index(i), at.commit}, join(path, strconv.Itoa(i)))
		}
	case reflect.Map:
		for _, k := range sortedKeys(v) {
			elem := copied(v.MapIndex(k), func(e reflect.Value) { v.SetMapIndex(k, e) }, at.commit)
			w.walk(elem, join(path, fmt.Sprint(k)))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if name, ok := fieldName(v.Type().Field(i)); ok {
				w.walk(place{v.Field(i), at.commit}, join(path, name))
			}
		}
	}
}

func (w *walker) pointer(v reflect.Value, at place, path []string) {
	name := strings.Join(path, ".")
	if a, ok := v.Interface().(*graph.Array); ok {
		if w.leaf != nil {
			w.leaf(Leaf{name, a, at})
		}
		return
	}
	if w.seen[v.Interface()] {
		return
	}
	w.seen[v.Interface()] = true
	if w.part != nil && v.Elem().Kind() == reflect.Struct && !w.part(Part{name, v.Interface(), at}) {
		return
	}
	w.walk(place{slot: v.Elem()}, path)
}

// isPlain reports whether values of type t cannot hold arrays.
func isPlain(t reflect.Type) bool {
	return t.Kind() <= reflect.Complex128 || t.Kind() == reflect.String
}

func join(path []string, name string) []string {
	if name == "" {
		return path
	}
	return append(path[:len(path):len(path)], name)
}

// sortedKeys are the keys of a map whose elements have names: strings and
// integers.
func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	switch k := m.Type().Key().Kind(); {
	case k == reflect.String:
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	case k >= reflect.Int && k <= reflect.Int64:
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.Int(), b.Int()) })
	default:
		return nil
	}
	return keys
}

// fieldName is what a struct's field adds to the path, and whether the field
// is part of the tree.
func fieldName(f reflect.StructField) (string, bool) {
	tag, tagged := f.Tag.Lookup("name")
	switch {
	case tag == "-" || !f.IsExported():
		return "", false
	case tagged:
		return tag, true
	case f.Anonymous:
		return "", true
	}
	return snakeCase(f.Name), true
}

// snakeCase is a Go name as Python would spell it: QProj is q_proj, Conv2D is
// conv2_d, KVCache is kv_cache.
func snakeCase(s string) string {
	var b strings.Builder
	r := []rune(s)
	for i, c := range r {
		if unicode.IsUpper(c) && i > 0 && (!unicode.IsUpper(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
