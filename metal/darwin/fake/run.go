//go:build metalfake

package fake

// #include "fake.h"
import "C"

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"unsafe"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
)

// gpu is the software device behind the fake, with the memory of each buffer.
var gpu = struct {
	sync.Mutex
	once   sync.Once
	device *soft.Device
	memory map[unsafe.Pointer]metal.Buffer
	bytes  int64
}{memory: map[unsafe.Pointer]metal.Buffer{}}

func device() *soft.Device {
	gpu.once.Do(func() { gpu.device = soft.New(soft.FromEnv()) })
	return gpu.device
}

//export fakeBufferMade
func fakeBufferMade(start unsafe.Pointer, n C.uint64_t) {
	b, err := device().Wrap(unsafe.Slice((*byte)(start), int(n)))
	if err != nil {
		panic(err)
	}
	gpu.Lock()
	defer gpu.Unlock()
	gpu.memory[start] = b
	gpu.bytes += int64(n)
}

//export fakeBufferGone
func fakeBufferGone(start unsafe.Pointer) {
	gpu.Lock()
	defer gpu.Unlock()
	b := gpu.memory[start]
	delete(gpu.memory, start)
	gpu.bytes -= b.Len()
	device().Free(b)
}

//export fakeAllocated
func fakeAllocated() C.uint64_t {
	gpu.Lock()
	defer gpu.Unlock()
	return C.uint64_t(gpu.bytes)
}

// sources are the kernels of libraries that are no built-in file, by name. Names
// have a hash of the text in them.
var sources sync.Map // string: *metal.Source

// instance is the line that makes a kernel of a text.
var instance = regexp.MustCompile(`(?m)^instantiate_kernel\("(custom_\w+)"`)

// fakeCompile compiles a library's text if it is no built-in file, as the software
// device does; 0 and the compiler's message when it cannot.
//
//export fakeCompile
func fakeCompile(source, message *C.char, size C.int) C.int {
	text := goString(source)
	name := instance.FindStringSubmatch(text)
	if name == nil {
		return 1
	}
	src := &metal.Source{Name: name[1], Text: text}
	if _, err := soft.Compiled(src); err != nil {
		fill(message, size, err.Error())
		return 0
	}
	sources.Store(src.Name, src)
	return 1
}

// custom is the source of a kernel that is not built in, nil for one that is.
func custom(name string) *metal.Source {
	if src, ok := sources.Load(name); ok {
		return src.(*metal.Source)
	}
	return nil
}

// fill puts text into memory of C.
func fill(to *C.char, size C.int, text string) {
	room := unsafe.Slice((*byte)(unsafe.Pointer(to)), int(size))
	room[copy(room[:size-1], text)] = 0
}

// fakeKernelIn reports whether the library made from source has a kernel: it is
// the one of the text, or the software device has it and all lines of its file are
// in the source.
//
//export fakeKernelIn
func fakeKernelIn(name, source *C.char) C.int {
	if src := custom(goString(name)); src != nil {
		return C.int(flag(src.Text == goString(source)))
	}
	k, ok := soft.Kernels()[goString(name)]
	if !ok {
		return 0
	}
	file, err := kernels.Files.ReadFile(filepath.Base(k.File))
	if err != nil {
		return 0
	}
	rest := goString(source)
	for _, line := range strings.Split(string(file), "\n") {
		if strings.HasPrefix(line, "#include") {
			continue
		}
		at := strings.Index(rest, line+"\n")
		if at < 0 && line != "" {
			return 0
		}
		rest = rest[max(at, 0):]
	}
	return 1
}

//export fakeSignature
func fakeSignature(name *C.char, out *C.fake_signature) {
	s := soft.Signature(goString(name))
	if src := custom(goString(name)); src != nil {
		s, _ = soft.Compiled(src) // it was compiled for the library
	}
	out.buffers, out.args_size = C.int32_t(len(s.Align)), C.int32_t(s.Args)
	for i, a := range s.Align {
		out.align[i] = C.int32_t(a)
		if s.Written[i] {
			out.written |= 1 << i
		}
	}
}

// fakeRun runs dispatches in the given order; 0 and a message when it cannot.
//
//export fakeRun
func fakeRun(calls *C.fake_call, n C.int, message *C.char, size C.int) C.int {
	list := make([]metal.Dispatch, n)
	err := func() error {
		for i, c := range unsafe.Slice(calls, int(n)) {
			var err error
			if list[i], err = dispatch(&c); err != nil {
				return err
			}
		}
		return metal.Run(context.Background(), device(), list)
	}()
	if err != nil {
		fill(message, size, err.Error())
		return 0
	}
	return 1
}

func dispatch(c *C.fake_call) (metal.Dispatch, error) {
	op := metal.Dispatch{
		Kernel: goString(&c.kernel[0]),
		Source: custom(goString(&c.kernel[0])),
		Args:   unsafe.Slice((*byte)(unsafe.Pointer(&c.args)), int(c.args_size)),
		Grid:   metal.Size{X: int(c.grid[0]), Y: int(c.grid[1]), Z: int(c.grid[2])},
		Group:  metal.Size{X: int(c.group[0]), Y: int(c.group[1]), Z: int(c.group[2])},
	}
	gpu.Lock()
	defer gpu.Unlock()
	for i := range int(c.buffers) {
		b := gpu.memory[c.base[i]]
		if b == nil {
			return op, fmt.Errorf("%s: no buffer is at the address bound at index %d", op.Kernel, i)
		}
		v := metal.View{Buf: b, Off: int64(c.offset[i]), Len: b.Len() - int64(c.offset[i])}
		if c.written>>i&1 == 1 {
			op.Out = append(op.Out, v)
		} else {
			op.In = append(op.In, v)
		}
	}
	return op, nil
}
