package soft

// #cgo CXXFLAGS: -std=c++17 -O2 -Wno-attributes -Wno-unknown-pragmas
// #cgo linux LDFLAGS: -ldl
// #include <stdlib.h>
// #include "plugin.h"
// #include "soft.h"
import "C"

import (
	"errors"
	"unsafe"

	"github.com/ftmetal/ftmetal/metal"
)

// entry is a registered kernel.
type entry struct {
	name, file string
	kernel     unsafe.Pointer
	native     unsafe.Pointer // nil: none
	sig        metal.Signature
}

// registry holds every kernel of the build by name.
var registry = readRegistry()

func readRegistry() map[string]*entry {
	all := map[string]*entry{}
	var info C.ft_info
	for i := C.size_t(0); C.ft_kernel_info(i, &info) != 0; i++ {
		e := entryOf(&info)
		if _, dup := all[e.name]; dup {
			panic("soft: kernel " + e.name + " is instantiated twice")
		}
		all[e.name] = e
	}
	return all
}

func entryOf(info *C.ft_info) *entry {
	e := &entry{
		name:   C.GoString(info.name),
		file:   C.GoString(info.file),
		kernel: info.kernel,
		native: info.native,
		sig:    metal.Signature{Args: int(info.args_size)},
	}
	n := int(info.buffers)
	for j, a := range unsafe.Slice((*byte)(info.align), n) {
		e.sig.Align = append(e.sig.Align, int(a))
		e.sig.Written = append(e.sig.Written, unsafe.Slice((*byte)(info.written), n)[j] != 0)
	}
	return e
}

// KernelInfo describes a kernel of this build.
type KernelInfo struct {
	Name, File string // File is the .metal file as the compiler was given it
	Buffers    int
	ArgsSize   int // bytes of the args struct
	HasNative  bool
}

// Kernels lists every kernel by name.
func Kernels() map[string]KernelInfo {
	all := make(map[string]KernelInfo, len(registry))
	for name, e := range registry {
		all[name] = KernelInfo{e.name, e.file, len(e.sig.Align), e.sig.Args, e.native != nil}
	}
	return all
}

// Signature is what the kernel called name declares; nil if there is none.
func Signature(name string) *metal.Signature {
	if e := registry[name]; e != nil {
		return &e.sig
	}
	return nil
}

// loadLibrary loads a compiled kernel and describes it.
func loadLibrary(path string) (*entry, error) {
	file := C.CString(path)
	defer C.free(unsafe.Pointer(file))
	var info C.ft_info
	var why [512]C.char
	if C.ft_plugin_open(file, &info, &why[0], C.size_t(len(why))) == 0 {
		return nil, errors.New(C.GoString(&why[0]))
	}
	return entryOf(&info), nil
}

func cpuName() string { return C.GoString(C.ft_cpu_name()) }

// limitCPU is ft_limit_cpu, for tests of what other processors would run.
func limitCPU(level int) { C.ft_limit_cpu(C.int(level)) }

// poison forbids access to b, or allows it, where the build has
// AddressSanitizer.
func poison(b []byte, forbid bool) {
	if len(b) == 0 {
		return
	}
	f := C.int(0)
	if forbid {
		f = 1
	}
	C.ft_poison(unsafe.Pointer(&b[0]), C.size_t(len(b)), f)
}
