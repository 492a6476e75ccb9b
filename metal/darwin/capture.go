//go:build darwin || metalfake

package darwin

import (
	"errors"
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
	if d.opt.Capture == "" || d.runs != max(1, d.opt.Run) || d.capturing {
		return run()
	}
	if err := d.startCapture(d.opt.Capture); err != nil {
		return err
	}
	return errorOr(run(), d.stopCapture())
}

// StartCapture records the runs from now on to a file that ends in .gputrace.
func (d *Device) StartCapture(path string) error {
	d.running.Lock()
	defer d.running.Unlock()
	switch {
	case d.queue == nil:
		return errors.New("metal: capturing: the device is closed")
	case d.capturing:
		return errors.New("metal: capturing: a capture is going on")
	}
	err := d.startCapture(path)
	d.capturing = err == nil
	return err
}

// StopCapture ends what StartCapture began.
func (d *Device) StopCapture() error {
	d.running.Lock()
	defer d.running.Unlock()
	if !d.capturing {
		return errors.New("metal: no capture is going on")
	}
	d.capturing = false
	return d.stopCapture()
}

func (d *Device) stopCapture() error {
	return pooled(func() error {
		send[objc.Void](captureManager(), "stopCapture")
		return nil
	})
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

// startCapture begins a trace of the device; the lock of the queue is held.
func (d *Device) startCapture(path string) error {
	err := pooled(func() error { return d.beginTrace(path) })
	if err != nil {
		return fmt.Errorf("metal: capturing to %s: %w", path, err)
	}
	return nil
}

func (d *Device) beginTrace(path string) error {
	path, err := filepath.Abs(path)
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
