//go:build darwin || metalfake

package darwin

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/progrium/darwinkit/objc"
)

// send sends a message with at least three arguments: with fewer, darwinkit
// hands libffi the address of a Go stack that may move while C reads it. A
// method ignores integers past its own arguments.
func send[T any](to objc.Handle, selector string, args ...any) T {
	for len(args) < 3 {
		args = append(args, uint(0))
	}
	return objc.Call[T](to, objc.Sel(selector), args...)
}

// yes sends a message that returns BOOL. As a Go bool it would overwrite seven
// bytes beside it.
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
