package ui

import (
	"encoding/json"
	"io"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/ftmetal/ftmetal/train"
)

// Log writes one JSON object a line for every event, unbuffered.
type Log struct {
	w   io.Writer
	now func() time.Time
	err error
}

// NewLog makes a Log that writes to w; now nil is time.Now.
func NewLog(w io.Writer, now func() time.Time) *Log {
	if now == nil {
		now = time.Now
	}
	return &Log{w: w, now: now}
}

// Report writes an event; it is a train.Reporter.
func (l *Log) Report(e train.Event) {
	if l.err == nil {
		_, l.err = io.WriteString(l.w, JSON(e, l.now())+"\n")
	}
}

// Err is the first failure to write, after which nothing more was tried.
func (l *Log) Err() error { return l.err }

// JSON is an event as one object: its type, the time, then every field in snake
// case. Durations are seconds; numbers that JSON has no word for are null.
func JSON(e train.Event, at time.Time) string {
	v := reflect.ValueOf(e)
	var b strings.Builder
	b.WriteString(`{"type":` + quote(snake(v.Type().Name())) + `,"time":` + quote(at.Format(time.RFC3339Nano)))
	fields(&b, v, true)
	b.WriteByte('}')
	return b.String()
}

// fields appends the exported fields of a struct; comma says that others came before.
func fields(b *strings.Builder, v reflect.Value, comma bool) {
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		if comma {
			b.WriteByte(',')
		}
		comma = true
		b.WriteString(quote(snake(v.Type().Field(i).Name)) + ":")
		field(b, v.Field(i))
	}
}

func field(b *strings.Builder, v reflect.Value) {
	switch x := v.Interface().(type) {
	case time.Duration:
		field(b, reflect.ValueOf(x.Seconds()))
		return
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			b.WriteString("null")
			return
		}
	case []string:
		if x == nil {
			b.WriteString("[]")
			return
		}
	}
	switch {
	case v.Kind() == reflect.Struct:
		b.WriteByte('{')
		fields(b, v, false)
		b.WriteByte('}')
		return
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			field(b, v.Index(i))
		}
		b.WriteByte(']')
		return
	}
	out, err := json.Marshal(v.Interface())
	if err != nil {
		panic("ui: an event has a field that is not JSON: " + err.Error())
	}
	b.Write(out)
}

func quote(s string) string {
	out, _ := json.Marshal(s) // a string always has a JSON form
	return string(out)
}

// snake turns ItersPerSec into iters_per_sec and FLOPs into flops.
func snake(s string) string {
	r := []rune(s)
	var b strings.Builder
	for i, c := range r {
		lowerBefore := i > 0 && unicode.IsLower(r[i-1])
		startsWord := i > 0 && unicode.IsUpper(r[i-1]) && i+2 < len(r) && unicode.IsLower(r[i+1]) && unicode.IsLower(r[i+2])
		if unicode.IsUpper(c) && (lowerBefore || startsWord) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
