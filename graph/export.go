package graph

import (
	"bytes"
	"context"
	endian "encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/metal"
)

// A function file is, in order:
//
//	8 bytes  "ftmgraph"
//	4 bytes  version, little-endian: 1
//	4 bytes  length of the header in bytes, little-endian
//	header   JSON (functionFile), padded with spaces to a multiple of 64
//	data     the constants, each at its offset from the end of the header
//
// docs/function-files.md says more.
const (
	functionMagic   = "ftmgraph"
	functionVersion = 1
	functionAlign   = 64
)

// functionFile is the header of a function file.
type functionFile struct {
	Functions []functionRecord `json:"functions"`
	Constants []constantRecord `json:"constants"`
}

// functionRecord is one trace. Values are numbered: the arguments, then all
// constants of the file, then the outputs of the steps.
type functionRecord struct {
	Args    []typeRecord `json:"args"`
	Steps   []stepRecord `json:"steps"`
	Outputs []int        `json:"outputs"`
}

type typeRecord struct {
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
}

type stepRecord struct {
	Op    string            `json:"op"`
	Attrs map[string]string `json:"attrs,omitempty"`
	In    []int             `json:"in"`
	Out   []typeRecord      `json:"out"`
}

type constantRecord struct {
	typeRecord
	Offset int64 `json:"offset"`
}

func (t typed) record() typeRecord { return typeRecord{t.dtype.String(), append([]int{}, t.shape...)} }

// Exporter records traces of one function for different arguments, to be written
// to a file. Mirrors mx.exporter and mx.FunctionExporter.
type Exporter struct {
	fn     func([]*Array) []*Array
	traces []*recording
}

// NewExporter records fn, which must build its graph from its arguments and from
// constants alone, without looking at values. Arrays that fn captures are
// evaluated and become part of the file. What fn says of gradients
// (CustomFunction, Checkpoint) does not.
func NewExporter(fn func([]*Array) []*Array) *Exporter { return &Exporter{fn: fn} }

// Trace records the function for arguments of the types of args. It is an error
// if it uses an op that cannot be written, such as a MetalKernel.
func (e *Exporter) Trace(ctx context.Context, args ...*Array) error {
	const name = "Exporter.Trace"
	return Try(func() error {
		check(e != nil && e.fn != nil, name, "no function")
		present(name, args...)
		t, err := traceOf(ctx, name, e.fn, args)
		if err != nil {
			return err
		}
		for _, s := range t.steps {
			check(rulesByType[reflect.TypeOf(s.op)] != nil, name, "%s cannot be written to a file", s.op)
		}
		for _, old := range e.traces {
			check(!slices.EqualFunc(old.args, t.args, typed.equal), name, "arguments %v were traced before", t.args)
		}
		e.traces = append(e.traces, t)
		return nil
	})
}

// Write writes all traces. The same traces give the same bytes.
func (e *Exporter) Write(ctx context.Context, w io.Writer) error {
	if e == nil || len(e.traces) == 0 {
		return &Error{Op: "Exporter.Write", Msg: "nothing was traced", Site: siteOf(nil)}
	}
	var file functionFile
	var data [][]byte
	var size int64
	number := map[*Array]int{}
	for _, t := range e.traces {
		for _, c := range t.consts {
			if _, known := number[c]; known {
				continue
			}
			raw, err := Bytes(ctx, c)
			if err != nil {
				return err
			}
			number[c] = len(file.Constants)
			file.Constants = append(file.Constants, constantRecord{typeOf(c).record(), size})
			data = append(data, raw, make([]byte, aligned(len(raw))-len(raw)))
			size += int64(aligned(len(raw)))
		}
	}
	for _, t := range e.traces {
		file.Functions = append(file.Functions, t.record(number))
	}
	header, err := json.Marshal(file)
	if err != nil {
		return err
	}
	return writeFunctions(w, header, data)
}

// aligned is n bytes and what fills them up.
func aligned(n int) int { return (n + functionAlign - 1) / functionAlign * functionAlign }

func writeFunctions(w io.Writer, header []byte, data [][]byte) error {
	n := aligned(16+len(header)) - 16
	if n > math.MaxInt32 {
		return fmt.Errorf("graph: Exporter.Write: the header has %d bytes", n)
	}
	head := append([]byte(functionMagic), functionVersion, 0, 0, 0)
	head = endian.LittleEndian.AppendUint32(head, uint32(n))
	header = append(header, bytes.Repeat([]byte{' '}, n-len(header))...)
	for _, part := range slices.Concat([][]byte{head, header}, data) {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// record is t with its constants counted as in the file.
func (t *recording) record(number map[*Array]int) functionRecord {
	args, total := len(t.args), len(number)
	move := func(values []int) []int {
		out := make([]int, len(values))
		for i, v := range values {
			switch k := v - args; {
			case k < 0:
				out[i] = v
			case k < len(t.consts):
				out[i] = args + number[t.consts[k]]
			default:
				out[i] = v - len(t.consts) + total
			}
		}
		return out
	}
	f := functionRecord{Args: []typeRecord{}, Steps: []stepRecord{}, Outputs: move(t.outs)}
	for _, a := range t.args {
		f.Args = append(f.Args, a.record())
	}
	for _, s := range t.steps {
		r := stepRecord{Op: rulesByType[reflect.TypeOf(s.op)].name, Attrs: attributes(s.op), In: move(s.in)}
		for _, o := range s.out {
			r.Out = append(r.Out, o.record())
		}
		f.Steps = append(f.Steps, r)
	}
	return f
}

// ExportFunction traces fn for arguments of the types of args and writes it to w;
// an [Exporter] does so for several types. weights.ExportFunction writes a file.
// Mirrors mx.export_function.
func ExportFunction(ctx context.Context, w io.Writer, fn func([]*Array) []*Array, args ...*Array) error {
	if fn == nil {
		return &Error{Op: "ExportFunction", Msg: "no function", Site: siteOf(nil)}
	}
	e := NewExporter(fn)
	if err := e.Trace(ctx, args...); err != nil {
		return err
	}
	return e.Write(ctx, w)
}

// ImportFunction is the function that ExportFunction or an Exporter wrote, from
// the bytes of the file, which it keeps. The function is like any other: it can
// be differentiated, mapped and compiled. It panics if it was not traced for
// arguments of these types. weights.ImportFunction reads a file. Mirrors
// mx.import_function.
func ImportFunction(file []byte) (func([]*Array) []*Array, error) {
	traces, err := readFunctions(file)
	if err != nil {
		return nil, fmt.Errorf("graph: ImportFunction: %w", err)
	}
	for _, t := range traces { // a file that cannot be called is refused now
		places := make([]*Array, len(t.args))
		for i, a := range t.args {
			places[i] = a.array()
		}
		if err := Catch(func() { t.apply(places) }); err != nil {
			return nil, err
		}
	}
	return func(args []*Array) []*Array {
		present("ImportFunction", args...)
		given := make([]typed, len(args))
		for i, a := range args {
			given[i] = typeOf(a)
		}
		for _, t := range traces {
			if slices.EqualFunc(t.args, given, typed.equal) {
				return t.apply(args)
			}
		}
		known := make([]string, len(traces))
		for i, t := range traces {
			known[i] = fmt.Sprint(t.args)
		}
		fail("ImportFunction", "arguments are %v, the function was traced for %s", given, strings.Join(known, ", "))
		return nil
	}, nil
}

// attributes writes the fields of an op: their names, nested ones with dots, and
// values as text.
func attributes(op Op) map[string]string {
	out := map[string]string{}
	eachField(reflect.ValueOf(op), "", func(name string, v reflect.Value) error {
		if text := fieldText(v); text != fieldText(reflect.Zero(v.Type())) {
			out[name] = text
		}
		return nil
	})
	return out
}

// eachField visits the fields of a struct that hold values. Arrays are operands
// and not attributes.
func eachField(v reflect.Value, prefix string, visit func(name string, v reflect.Value) error) error {
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		name := prefix + strings.ToLower(f.Name[:1]) + f.Name[1:]
		var err error
		switch field.Kind() {
		case reflect.Struct:
			err = eachField(field, name+".", visit)
		case reflect.Pointer:
		default:
			err = visit(name, field)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func dtypeNamed(name string) (metal.DType, bool) {
	for _, d := range metal.DTypes() {
		if d.String() == name {
			return d, true
		}
	}
	return 0, false
}
