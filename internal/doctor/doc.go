// Package doctor examines a device: it runs the whole table of kernel cases on it
// against the float64 references (package kerneltest), looks whether barriers hold
// when work is repeated, tries wrapped memory and kernels from source, and measures a matrix product and memory. On an Apple GPU
// the software device runs each case too, so that a fault can be told from one of
// the kernel's text.
//
// What it finds goes to a terminal as it is found, and into one JSON file that a
// user can attach to a bug report: facts about the machine and the device, a row
// for each op and dtype, every failure. The file is written before each family of
// kernels, so that it says what was running if the process does not survive.
//
// Start at doctor.go.
package doctor
