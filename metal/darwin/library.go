//go:build darwin || metalfake

package darwin

import (
	"fmt"
	"strings"
	"sync"
	"unsafe"

	contract "github.com/ftmetal/ftmetal/metal"
	"github.com/progrium/darwinkit/macos/metal"
	"github.com/progrium/darwinkit/objc"
)

// libraries compiles kernel files and makes pipelines, each when it is first
// asked for.
type libraries struct {
	device  metal.DeviceObject
	hw      hardware
	stems   []string
	archive *archive

	mu        sync.Mutex
	files     map[string]*library // by stem, or source and key
	pipelines map[string]*pipeline
}

// library is a compiled kernel file.
type library struct {
	compile sync.Once
	object  metal.LibraryObject
	err     error
}

// pipeline is a kernel ready to run in threadgroups of at most limit threads.
type pipeline struct {
	state metal.ComputePipelineStateObject
	limit int
}

func openLibraries(device unsafe.Pointer, hw hardware, cache string) *libraries {
	l := &libraries{
		device:    metal.DeviceObject{Object: objc.ObjectFrom(device)},
		hw:        hw,
		stems:     Stems(),
		files:     map[string]*library{},
		pipelines: map[string]*pipeline{},
	}
	l.archive = openArchive(l.device, hw, cache)
	return l
}

// language is the newest version of Metal's language that the system has.
func (h hardware) language() metal.LanguageVersion {
	switch {
	case h.osMajor >= 26:
		return 4 << 16
	case h.osMajor >= 15:
		return 3<<16 | 2
	}
	return 3<<16 | 1
}

// tensor reports whether the GPU has the tensor operations of Metal 4: the M5
// and later, from macOS 26.2 on. docs/apple.md says what a kernel makes of it.
func (h hardware) tensor() bool {
	return h.metal >= 4 && h.family >= 10 && (h.osMajor > 26 || h.osMajor == 26 && h.osMinor >= 2)
}

// warm compiles the files of the given kernels at the same time: a compilation
// takes one core.
func (l *libraries) warm(names []string) {
	var wg sync.WaitGroup
	started := map[string]bool{}
	for _, name := range names {
		if stem := stemOf(l.stems, name); stem != "" && !started[stem] {
			started[stem] = true
			wg.Go(func() { _, _ = l.file(stem) }) // its error comes again with the pipeline
		}
	}
	wg.Wait()
}

// file compiles a kernel file once.
func (l *libraries) file(stem string) (metal.LibraryObject, error) {
	return l.compiled(stem, func() (string, error) { return Source(stem, l.hw.tensor()) })
}

// compiled is the library of a key, made from a text when it is first asked for.
func (l *libraries) compiled(key string, text func() (string, error)) (metal.LibraryObject, error) {
	l.mu.Lock()
	f := l.files[key]
	if f == nil {
		f = &library{}
		l.files[key] = f
	}
	l.mu.Unlock()
	f.compile.Do(func() {
		f.err = pooled(func() error {
			source, err := text()
			if err != nil {
				return err
			}
			f.object, err = l.build(source)
			return err
		})
	})
	return f.object, f.err
}

// build compiles source with precise arithmetic.
func (l *libraries) build(source string) (metal.LibraryObject, error) {
	opt := send[metal.CompileOptions](objc.GetClass("MTLCompileOptions"), "new")
	defer opt.Release()
	send[objc.Void](opt, "setLanguageVersion:", l.hw.language())
	if yes(opt, "respondsToSelector:", objc.Sel("setMathMode:")) {
		const safe, precise = 0, 1
		send[objc.Void](opt, "setMathMode:", int(safe))
		send[objc.Void](opt, "setMathFloatingPointFunctions:", int(precise))
	} else {
		send[objc.Void](opt, "setFastMathEnabled:", false)
	}
	var failed unsafe.Pointer
	lib := send[metal.LibraryObject](l.device, "newLibraryWithSource:options:error:", source, opt, unsafe.Pointer(&failed))
	if lib.IsNil() {
		return lib, nsError(failed)
	}
	return lib, nil
}

// pipelineOf is the pipeline of a dispatch: of a built-in kernel, or of the one
// that the dispatch brings along.
func (l *libraries) pipelineOf(op *contract.Dispatch) (*pipeline, error) {
	if src := op.Source; src != nil {
		// A source's key stands after a slash, which no name of a kernel has.
		key := "source/" + src.Key()
		return l.pipeline(key, op.Group.Count(), func() (function, error) {
			lib, err := l.compiled(key, func() (string, error) { return sourceOf(src, l.hw.tensor()) })
			if err != nil {
				err = fmt.Errorf("compiling it: %w", err)
			}
			return function{lib, src.Name, false}, err
		})
	}
	return l.pipeline(op.Kernel, op.Group.Count(), func() (function, error) {
		stem := stemOf(l.stems, op.Kernel)
		if stem == "" {
			return function{}, fmt.Errorf("there is no such kernel")
		}
		lib, err := l.file(stem)
		if err != nil {
			err = fmt.Errorf("compiling %s.metal: %w", stem, err)
		}
		return function{lib, op.Kernel, true}, err
	})
}

// function is where a pipeline's code is. The archive keeps the pipelines of
// built-in kernels alone: there is no end to others.
type function struct {
	lib      metal.LibraryObject
	name     string
	archived bool
}

// pipeline is the one of a key for threadgroups of group threads, made of the
// function that find returns.
func (l *libraries) pipeline(key string, group int, find func() (function, error)) (*pipeline, error) {
	l.mu.Lock()
	p := l.pipelines[key]
	l.mu.Unlock()
	if p != nil && group <= p.limit {
		return p, nil
	}
	f, err := find()
	if err != nil {
		return nil, err
	}
	err = pooled(func() error {
		var err error
		if p, err = l.specialise(f, 0); err == nil && group > p.limit {
			// The compiler gave each thread many registers. Told how many
			// threads there are, it makes do with fewer.
			p.state.Release()
			p, err = l.specialise(f, group)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if group > p.limit {
		p.state.Release()
		return nil, fmt.Errorf("threadgroup of %d threads: on this GPU the kernel takes at most %d", group, p.limit)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.pipelines[key]; old != nil {
		l.retired(old)
	}
	l.pipelines[key] = p
	return p, nil
}

// retired keeps a pipeline that programs may hold, under a name no kernel has.
func (l *libraries) retired(p *pipeline) {
	l.pipelines[fmt.Sprintf("/%d", len(l.pipelines))] = p
}

// specialise makes the pipeline of a function, for threadgroups of the given
// size if that is not 0. Inside a pool.
func (l *libraries) specialise(f function, group int) (*pipeline, error) {
	fn := send[metal.FunctionObject](f.lib, "newFunctionWithName:", f.name)
	if fn.IsNil() {
		return nil, fmt.Errorf("the compiled file has no such kernel")
	}
	defer fn.Release()
	d := send[metal.ComputePipelineDescriptor](objc.GetClass("MTLComputePipelineDescriptor"), "new")
	defer d.Release()
	send[objc.Void](d, "setComputeFunction:", fn)
	send[objc.Void](d, "setLabel:", f.name)
	if group > 0 {
		send[objc.Void](d, "setMaxTotalThreadsPerThreadgroup:", uint(group))
	}
	state, err := l.archive.pipeline(l.device, d, f.archived)
	if err != nil {
		return nil, fmt.Errorf("making its pipeline: %w", err)
	}
	return &pipeline{state, int(send[uint](state, "maxTotalThreadsPerThreadgroup"))}, nil
}

// close saves the archive and releases everything.
func (l *libraries) close() {
	l.archive.close()
	for _, p := range l.pipelines {
		p.state.Release()
	}
	for _, f := range l.files {
		if f.err == nil {
			f.object.Release()
		}
	}
}

// stemOf is the file that has the kernel called name: the longest stem that the
// name begins with; "" for none.
func stemOf(stems []string, name string) string {
	best := ""
	for _, s := range stems {
		if len(s) > len(best) && (name == s || strings.HasPrefix(name, s+"_")) {
			best = s
		}
	}
	return best
}
