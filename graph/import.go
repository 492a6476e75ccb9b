package graph

import (
	"bytes"
	endian "encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unsafe"
)

// readFunctions parses a function file. Nothing in it is believed: every number
// is held against what is there, and ops are checked when they are applied.
func readFunctions(file []byte) ([]*recording, error) {
	if len(file) < 16 || string(file[:8]) != functionMagic {
		return nil, errors.New("not a function file: it does not begin with " + functionMagic)
	}
	if v := endian.LittleEndian.Uint32(file[8:]); v != functionVersion {
		return nil, fmt.Errorf("version %d of function files, this program reads %d", v, functionVersion)
	}
	n := uint64(endian.LittleEndian.Uint32(file[12:]))
	if n > uint64(len(file)-16) {
		return nil, fmt.Errorf("the header has %d bytes, the file only %d", n, len(file)-16)
	}
	var header functionFile
	d := json.NewDecoder(bytes.NewReader(file[16 : 16+n]))
	d.DisallowUnknownFields()
	if err := d.Decode(&header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if len(header.Functions) == 0 {
		return nil, errors.New("the file has no function")
	}
	consts, err := readConstants(header.Constants, file[16+n:])
	if err != nil {
		return nil, err
	}
	traces := make([]*recording, len(header.Functions))
	for i, f := range header.Functions {
		if traces[i], err = f.read(consts); err != nil {
			return nil, fmt.Errorf("function %d: %w", i, err)
		}
	}
	return traces, nil
}

func (r typeRecord) read() (typed, error) {
	dt, ok := dtypeNamed(r.DType)
	if !ok {
		return typed{}, fmt.Errorf("unknown dtype %q", r.DType)
	}
	if fault := shapeFault(r.Shape, dt); fault != "" {
		return typed{}, errors.New(fault)
	}
	return typed{dt, append([]int{}, r.Shape...)}, nil
}

func readConstants(records []constantRecord, data []byte) ([]*Array, error) {
	consts := make([]*Array, len(records))
	for i, c := range records {
		t, err := c.read()
		if err != nil {
			return nil, fmt.Errorf("constant %d: %w", i, err)
		}
		n := int64(sizeOf(t.shape)) * int64(t.dtype.Size())
		if c.Offset < 0 || c.Offset > int64(len(data)) || n > int64(len(data))-c.Offset {
			return nil, fmt.Errorf("constant %d: bytes %d to %d of %d", i, c.Offset, c.Offset+n, len(data))
		}
		consts[i] = FromBytes(data[c.Offset:c.Offset+n:c.Offset+n], t.dtype, t.shape...)
	}
	return consts, nil
}

func (f functionRecord) read(consts []*Array) (*recording, error) {
	t := &recording{consts: consts}
	for i, a := range f.Args {
		a, err := a.read()
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i, err)
		}
		t.args = append(t.args, a)
	}
	values := len(t.args) + len(consts)
	known := func(refs []int) error {
		for _, v := range refs {
			if v < 0 || v >= values {
				return fmt.Errorf("value %d of %d", v, values)
			}
		}
		return nil
	}
	for i, r := range f.Steps {
		s, err := r.read()
		if err == nil {
			err = known(s.in)
		}
		if err != nil {
			return nil, fmt.Errorf("step %d, %s: %w", i, r.Op, err)
		}
		values += len(s.out)
		t.steps = append(t.steps, s)
	}
	t.outs = f.Outputs
	return t, known(t.outs)
}

func (r stepRecord) read() (step, error) {
	s := step{in: r.In}
	rule := rulesByName[r.Op]
	if rule == nil {
		return s, errors.New("unknown op")
	}
	for i, o := range r.Out {
		t, err := o.read()
		if err != nil {
			return s, fmt.Errorf("output %d: %w", i, err)
		}
		s.out = append(s.out, t)
	}
	v := reflect.New(rule.of).Elem()
	read := 0
	err := eachField(v, "", func(name string, field reflect.Value) error {
		text, ok := r.Attrs[name]
		if !ok {
			return nil
		}
		read++
		// A field that is not exported is set through its address.
		field = reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
		if err := setField(field, text); err != nil {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
		return nil
	})
	if err == nil && read < len(r.Attrs) {
		err = fmt.Errorf("unknown attributes among %v", r.Attrs)
	}
	s.op, _ = v.Interface().(Op)
	return s, err
}

// fieldText writes a number, a truth, a text, or a list of numbers with spaces.
func fieldText(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())
	case reflect.String:
		return v.String()
	case reflect.Slice, reflect.Array:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = fieldText(v.Index(i))
		}
		return strings.Join(parts, " ")
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		return strconv.FormatUint(v.Uint(), 10)
	}
	return strconv.FormatInt(v.Int(), 10)
}

// setField is the reverse of fieldText.
func setField(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.Bool:
		x, err := strconv.ParseBool(text)
		v.SetBool(x)
		return err
	case reflect.Float32, reflect.Float64:
		x, err := strconv.ParseFloat(text, v.Type().Bits())
		v.SetFloat(x)
		return err
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Slice, reflect.Array:
		parts := strings.Fields(text)
		if v.Kind() == reflect.Slice {
			v.Set(reflect.MakeSlice(v.Type(), len(parts), len(parts)))
		}
		if v.Len() != len(parts) {
			return fmt.Errorf("%d numbers, want %d", len(parts), v.Len())
		}
		for i, p := range parts {
			if err := setField(v.Index(i), p); err != nil {
				return err
			}
		}
		return nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		x, err := strconv.ParseUint(text, 10, v.Type().Bits())
		v.SetUint(x)
		return err
	}
	x, err := strconv.ParseInt(text, 10, v.Type().Bits())
	v.SetInt(x)
	return err
}
