//go:build darwin || metalfake

package darwin

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/progrium/darwinkit/macos/metal"
	"github.com/progrium/darwinkit/objc"
)

// archive keeps the machine code of pipelines between runs, in a file whose name
// says for which sources, system and GPU it is. It is a cache: a file that Metal
// cannot read is made anew, and one that cannot be written is done without.
type archive struct {
	path string

	mu      sync.Mutex
	object  metal.BinaryArchiveObject // nil: none is kept
	changed bool
}

func openArchive(device metal.DeviceObject, hw hardware, folder string) *archive {
	a := &archive{}
	if folder == "" {
		return a
	}
	a.path = filepath.Join(folder, "pipelines-"+archiveKey(hw)+".metalar")
	err := pooled(func() error {
		if info, err := os.Stat(a.path); err == nil {
			if !info.Mode().IsRegular() {
				return fmt.Errorf("it is not a file (%v)", info.Mode())
			}
			if err = a.open(device, a.path); err == nil {
				return nil
			}
			a.log("reading", err)
			if err := os.Remove(a.path); err != nil {
				return err
			}
		}
		return a.open(device, "")
	})
	if err != nil {
		a.log("making", err)
	}
	return a
}

// log tells of a cache that does not work, to whoever asks for details.
func (a *archive) log(what string, err error) {
	if debug.Level() >= 1 {
		debug.Logf("%s the pipeline archive %s: %v", what, a.path, err)
	}
}

// archiveKey changes with anything that the machine code depends on.
func archiveKey(hw hardware) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %d.%d\n", hw.name, hw.architecture, hw.osMajor, hw.osMinor)
	for _, stem := range Stems() {
		source, err := Source(stem, hw.tensor())
		fmt.Fprintf(h, "%s %v\n%s", stem, err, source)
	}
	return fmt.Sprintf("%.8x", h.Sum(nil))
}

// open reads the archive at path, or makes an empty one for "".
func (a *archive) open(device metal.DeviceObject, path string) error {
	d := send[metal.BinaryArchiveDescriptor](objc.GetClass("MTLBinaryArchiveDescriptor"), "new")
	defer d.Release()
	if path != "" {
		send[objc.Void](d, "setUrl:", fileURL(path))
	}
	var failed unsafe.Pointer
	a.object = send[metal.BinaryArchiveObject](device, "newBinaryArchiveWithDescriptor:error:", d, unsafe.Pointer(&failed))
	if a.object.IsNil() {
		return nsError(failed)
	}
	return nil
}

// Options of a pipeline: none, and to fail when the archives do not have it.
const (
	anyPipeline      = metal.PipelineOption(0)
	archivedPipeline = metal.PipelineOption(1 << 2)
)

// pipeline makes the pipeline of d from the archive, or compiles it and adds it
// there, if it is to be kept. Inside a pool.
func (a *archive) pipeline(device metal.DeviceObject, d metal.ComputePipelineDescriptor, kept bool) (metal.ComputePipelineStateObject, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.object.IsNil() || !kept {
		return compilePipeline(device, d, anyPipeline)
	}
	send[objc.Void](d, "setBinaryArchives:", []metal.BinaryArchiveObject{a.object})
	if p, err := compilePipeline(device, d, archivedPipeline); err == nil {
		return p, nil
	}
	p, err := compilePipeline(device, d, anyPipeline)
	if err != nil {
		return p, err
	}
	var failed unsafe.Pointer
	if yes(a.object, "addComputePipelineFunctionsWithDescriptor:error:", d, unsafe.Pointer(&failed)) {
		a.changed = true
	} else {
		a.log("adding to", nsError(failed))
	}
	return p, nil
}

func compilePipeline(device metal.DeviceObject, d metal.ComputePipelineDescriptor, opt metal.PipelineOption) (metal.ComputePipelineStateObject, error) {
	var failed unsafe.Pointer
	p := send[metal.ComputePipelineStateObject](device, "newComputePipelineStateWithDescriptor:options:reflection:error:",
		d, opt, (*metal.AutoreleasedComputePipelineReflection)(nil), unsafe.Pointer(&failed))
	if p.IsNil() {
		return p, nsError(failed)
	}
	return p, nil
}

// close writes what was added and releases the archive.
func (a *archive) close() {
	if a.object.IsNil() {
		return
	}
	if a.changed {
		if err := pooled(a.save); err != nil {
			a.log("writing", err)
		}
	}
	a.object.Release()
}

// save writes a file beside the archive and renames it, so that another process
// never reads half of one.
func (a *archive) save() error {
	if err := os.MkdirAll(filepath.Dir(a.path), 0o755); err != nil {
		return err
	}
	folder, err := os.MkdirTemp(filepath.Dir(a.path), "pipelines-*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	part := filepath.Join(folder, "archive")
	var failed unsafe.Pointer
	if !yes(a.object, "serializeToURL:error:", fileURL(part), unsafe.Pointer(&failed)) {
		return nsError(failed)
	}
	return os.Rename(part, a.path)
}
