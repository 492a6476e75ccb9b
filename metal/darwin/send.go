//go:build darwin || metalfake

package darwin

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"unsafe"

	"github.com/progrium/darwinkit/objc"
)

// send sends a message, whose arguments and result are objects, pointers, strings
// and integers, at most four. darwinkit's own Call is not safe for this: it hands
// libffi the address of a Go stack that may move while C reads it, and has libffi
// store the address of a list of types where the collector does not see it stored,
// so that the list may be freed during a long call.
func send[T any](to objc.Handle, selector string, args ...any) (result T) {
	var words [4]uint64
	for i, a := range args {
		words[i] = word(a)
	}
	w := sendWords(to.Ptr(), objc.Sel(selector).Ptr(), words)
	runtime.KeepAlive(args)
	switch v := reflect.ValueOf(&result).Elem(); {
	case v.Kind() == reflect.String:
		v.SetString(objc.ToGoString(pointer(w)))
	case v.CanInt():
		v.SetInt(int64(w))
	case v.CanUint():
		v.SetUint(w)
	case v.Type().Size() != 0: // an object, which is its address
		*(*unsafe.Pointer)(unsafe.Pointer(&result)) = pointer(w)
	}
	return result
}

// word is an argument as it lies in a register.
func word(arg any) uint64 {
	if h, ok := arg.(objc.Handle); ok {
		return uint64(uintptr(h.Ptr()))
	}
	switch v := reflect.ValueOf(arg); {
	case v.Kind() == reflect.Bool && v.Bool():
		return 1
	case v.Kind() == reflect.Bool:
		return 0
	case v.Kind() == reflect.String:
		return uint64(uintptr(objc.ToNSString(v.String())))
	case v.Kind() == reflect.Slice:
		return uint64(uintptr(objc.ToNSArray(v)))
	case v.CanInt():
		return uint64(v.Int())
	case v.CanUint():
		return v.Uint()
	default:
		return uint64(uintptr(v.UnsafePointer()))
	}
}

// pointer is the address, in memory of C, that a method returned.
func pointer(w uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&w)) }

// yes sends a message that returns BOOL, a byte.
func yes(to objc.Handle, selector string, args ...any) bool {
	return send[uint64](to, selector, args...)&0xff != 0
}

// pooled runs f with an autorelease pool; objects that outlive it are owned by a
// retain.
func pooled(f func() error) (err error) {
	objc.WithAutoreleasePool(func() { err = f() })
	return err
}

// nsError is the error at p, which a failed message has filled in. It is to be
// called inside the pool of that message.
func nsError(p unsafe.Pointer) error {
	if p == nil {
		return errors.New("Metal gives no reason")
	}
	e := objc.ObjectFrom(p)
	return fmt.Errorf("%s (%s %d)", send[string](e, "localizedDescription"), send[string](e, "domain"), send[int](e, "code"))
}

// fileURL is an NSURL of the pool.
func fileURL(path string) objc.Object {
	return send[objc.Object](objc.GetClass("NSURL"), "fileURLWithPath:", path)
}
