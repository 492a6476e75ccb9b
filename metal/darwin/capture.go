//go:build darwin || metalfake

package darwin

import (
	"fmt"
	"path/filepath"
	"unsafe"

	"github.com/progrium/darwinkit/macos/metal"
	"github.com/progrium/darwinkit/objc"
)

// captured calls run, and records it as a GPU trace for Xcode if it is the one
// that the options ask for. The lock of the queue is held.
func (d *Device) captured(run func() error) error {
	d.runs++
	if d.opt.Capture == "" || d.runs != max(1, d.opt.Run) {
		return run()
	}
	if err := pooled(d.startCapture); err != nil {
		return fmt.Errorf("metal: capturing to %s: %w", d.opt.Capture, err)
	}
	err := run()
	return errorOr(err, pooled(func() error {
		send[objc.Void](captureManager(), "stopCapture")
		return nil
	}))
}

func errorOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func captureManager() metal.CaptureManager {
	return send[metal.CaptureManager](objc.GetClass("MTLCaptureManager"), "sharedCaptureManager")
}

func (d *Device) startCapture() error {
	path, err := filepath.Abs(d.opt.Capture)
	if err != nil {
		return err
	}
	const document = metal.CaptureDestination(2)
	m := captureManager()
	if !yes(m, "supportsDestination:", document) {
		return fmt.Errorf("the system allows no GPU traces of this process: set MTL_CAPTURE_ENABLED=1")
	}
	c := send[metal.CaptureDescriptor](objc.GetClass("MTLCaptureDescriptor"), "new")
	defer c.Release()
	send[objc.Void](c, "setCaptureObject:", objc.ObjectFrom(d.native))
	send[objc.Void](c, "setDestination:", document)
	send[objc.Void](c, "setOutputURL:", fileURL(path))
	var failed unsafe.Pointer
	if !yes(m, "startCaptureWithDescriptor:error:", c, unsafe.Pointer(&failed)) {
		return nsError(failed)
	}
	return nil
}
