// Package darwin is the Apple GPU as a device: Metal, through darwinkit for what
// happens once (compiling, pipelines, errors, captures) and through one
// Objective-C file for what happens thousands of times a second (driver.m).
//
// A program is packed when it is prepared: a stream of 64-bit words per command
// buffer, with pipelines, buffers, args and barriers in it. A run is one call
// into driver.m, which encodes and commits the command buffers, at most three
// in flight, and waits. Nothing is allocated for a dispatch.
//
// Hazards follow from Dispatch.In and Out: buffers are untracked, the encoder is
// concurrent, and a barrier stands where a dispatch touches what one since the
// last barrier wrote, or writes what it read. A fence orders the command buffers.
// Command buffers end before their estimated GPU time is long enough for the
// display watchdog to care (chips.go).
//
// Files: device.go (memory), driver.go and driver.m (the native half), send.go
// (messages to darwinkit's objects), source.go, custom.go,
// library.go and archive.go (kernels),
// prepare.go and hazards.go (packing), program.go (runs and their errors),
// chips.go (rates of GPUs).
//
// darwinkit v0.5.0 has defects that shape this package. Its methods that take
// protocol objects panic, the blocks it makes crash on Go 1.25 and later, and its
// Call hands libffi memory that Go may move or free while C uses it (send tells).
// So messages go through send, which has no libffi, and no block is Go's.
//
// Elsewhere than on macOS the package is empty, unless the build tag metalfake is
// set: then it runs against metal/darwin/fake on GNUstep. docs/apple.md says
// what that proves and what it cannot.
package darwin
