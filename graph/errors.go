package graph

import (
	"fmt"
	"runtime"
	"strings"
)

// Error is a mistake in building a graph: the op, what is wrong with its
// operands, and the caller's line.
type Error struct {
	Op, Msg string
	Site    string // file:line of the first frame outside this module's engine
}

func (e *Error) Error() string {
	s := "graph: " + e.Op + ": " + e.Msg
	if e.Site != "" {
		s += " (" + e.Site + ")"
	}
	return s
}

// check panics with an *Error unless ok.
func check(ok bool, op, format string, args ...any) {
	if !ok {
		fail(op, format, args...)
	}
}

// fail panics with an *Error.
func fail(op, format string, args ...any) {
	panic(&Error{Op: op, Msg: fmt.Sprintf(format, args...), Site: callSite()})
}

// Catch runs fn and returns the *Error it panicked with, if any. Other panics
// go on.
func Catch(fn func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	fn()
	return nil
}

const enginePackage = "github.com/ftmetal/ftmetal/graph."

// callSite is the first frame outside this package, as file:line.
func callSite() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, enginePackage) {
			if f.File == "" {
				return ""
			}
			file := f.File
			if i := strings.LastIndexByte(file, '/'); i >= 0 {
				if j := strings.LastIndexByte(file[:i], '/'); j >= 0 {
					file = file[j+1:]
				}
			}
			return fmt.Sprintf("%s:%d", file, f.Line)
		}
		if !more {
			return ""
		}
	}
}
