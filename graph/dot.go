package graph

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
)

// ExportToDot writes the graph of what outputs are computed from, as far as that
// is not evaluated, in the language of Graphviz: a box for each op, an ellipse
// for each array that is given or comes out. names, which may be nil, labels
// arrays. Mirrors mx.export_to_dot.
func ExportToDot(w io.Writer, names map[string]*Array, outputs ...*Array) error {
	for i, o := range outputs {
		if o == nil {
			return &Error{Op: "ExportToDot", Msg: fmt.Sprintf("output %d is nil", i), Site: siteOf(nil)}
		}
	}
	d := &dot{w: bufio.NewWriter(w), names: map[*Array]string{}, given: map[*Array]int{}}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		d.names[names[n]] = n
	}
	fmt.Fprintln(d.w, "digraph {")
	order := map[*node]int{}
	for i, n := range ancestors(outputs, func(a *Array) bool { return a.data == nil }) {
		order[n] = i
		fmt.Fprintf(d.w, "  op%d [label=%q, shape=rectangle];\n", i, n.op.String())
		for _, x := range n.in {
			fmt.Fprintf(d.w, "  %s -> op%d;\n", d.source(x, order), i)
		}
	}
	for i, o := range outputs {
		fmt.Fprintf(d.w, "  out%d [label=%q];\n  %s -> out%d;\n", i, d.label(o), d.source(o, order), i)
	}
	fmt.Fprintln(d.w, "}")
	return d.w.Flush()
}

// dot writes a graph.
type dot struct {
	w     *bufio.Writer
	names map[*Array]string
	given map[*Array]int // numbers of ellipses
}

func (d *dot) label(a *Array) string {
	if n := d.names[a]; n != "" {
		return n + " " + a.String()
	}
	return a.String()
}

// source is the name of the op that computes a, or of an ellipse for a itself.
func (d *dot) source(a *Array, order map[*node]int) string {
	if i, ok := order[a.node]; ok && a.data == nil {
		return fmt.Sprintf("op%d", i)
	}
	i, ok := d.given[a]
	if !ok {
		i = len(d.given)
		d.given[a] = i
		fmt.Fprintf(d.w, "  in%d [label=%q];\n", i, d.label(a))
	}
	return fmt.Sprintf("in%d", i)
}
