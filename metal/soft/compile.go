package soft

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
)

// compileFlags make a library of a kernel. The code is what this package's own
// kernels are compiled with, at run time.
var compileFlags = []string{"-x", "c++", "-std=c++17", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-Wno-attributes", "-Wno-unknown-pragmas"}

// prologue and epilogue stand round a kernel's text. A library that is loaded
// late gets no static thread-local memory, hence the other model.
const (
	prologue = "#define tls_model(model) unused\n"
	epilogue = "\n#include \"../metal/soft/shim/plugin.h\"\n"
)

// maxMessage bounds what of a compiler's output an error repeats.
const maxMessage = 4 << 10

// library holds the kernels that were compiled from source in this process.
type library struct {
	mu      sync.Mutex
	entries map[string]*entry // by Source.Key
	folder  string            // of headers and libraries; "" until the first use
}

var compiled = library{entries: map[string]*entry{}}

// Compiled compiles the kernel of src, if that was not done before, and returns
// what it declares. The error is the one that Prepare gives for a dispatch of it.
func Compiled(src *metal.Source) (*metal.Signature, error) {
	e, err := compiled.entry(src)
	if err != nil {
		return nil, err
	}
	return &e.sig, nil
}

// entry is the kernel of src, compiled if neither this process nor an earlier
// one has done it.
func (l *library) entry(src *metal.Source) (*entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := src.Key()
	if e := l.entries[key]; e != nil {
		return e, nil
	}
	compiler, err := findCompiler()
	if err != nil {
		return nil, err
	}
	if err := l.prepareFolder(); err != nil {
		return nil, fmt.Errorf("no folder for compiled kernels: %w", err)
	}
	id := sha256.Sum256([]byte(key + "\x00" + strings.Join(compiler, " ") + "\x00" + version(compiler) + "\x00" + strings.Join(compileFlags, " ")))
	file := filepath.Join(l.folder, hex.EncodeToString(id[:16])+".so")
	if _, err := os.Stat(file); err != nil {
		if err := l.compile(compiler, src, file); err != nil {
			return nil, err
		}
	}
	e, err := loadLibrary(file)
	if err != nil {
		os.Remove(file) // damaged: the next use compiles it anew
		return nil, fmt.Errorf("loading the compiled kernel: %w", err)
	}
	if e.name != src.Name {
		return nil, fmt.Errorf("the source instantiates %s, want %s", e.name, src.Name)
	}
	l.entries[key] = e
	return e, nil
}

// findCompiler is $CXX with its arguments, or the first of the usual names.
func findCompiler() ([]string, error) {
	if cxx := strings.Fields(debug.CXX()); len(cxx) > 0 {
		if _, err := exec.LookPath(cxx[0]); err != nil {
			return nil, fmt.Errorf("kernels from source need a C++ compiler: CXX is %q: %w", debug.CXX(), err)
		}
		return cxx, nil
	}
	for _, name := range []string{"c++", "g++", "clang++"} {
		if _, err := exec.LookPath(name); err == nil {
			return []string{name}, nil
		}
	}
	return nil, errors.New("kernels from source need a C++ compiler on this device: there is no c++, g++ or clang++, and CXX is not set")
}

// version tells compilers of one name apart; one that does not say is taken for
// the same.
func version(compiler []string) string {
	out, err := exec.Command(compiler[0], append(compiler[1:len(compiler):len(compiler)], "--version")...).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

// prepareFolder puts the headers where kernels expect them: into the user's
// cache, in a folder named by their contents, or a temporary one.
func (l *library) prepareFolder() error {
	if l.folder != "" {
		return nil
	}
	files, sum := map[string][]byte{}, sha256.New()
	for _, tree := range []struct {
		fs fs.FS
		at string
	}{{kernels.Files, "kernels"}, {sources, "metal/soft"}} {
		err := fs.WalkDir(tree.fs, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) != ".h" {
				return err
			}
			text, err := fs.ReadFile(tree.fs, name)
			files[path.Join(tree.at, name)] = text
			fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, name := range []string{"metal_stdlib", "metal_atomic", "metal_math", "metal_simdgroup", "metal_simdgroup_matrix"} {
		files["kernels/"+name] = nil // in kernel.h already
	}
	parent, err := os.UserCacheDir()
	if err == nil {
		parent = filepath.Join(parent, "ftmetal")
		err = os.MkdirAll(parent, 0o700)
	}
	if err != nil {
		if parent, err = os.MkdirTemp("", "ftmetal"); err != nil {
			return err
		}
	}
	folder := filepath.Join(parent, "kernels-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if err := writeTree(parent, folder, files); err != nil {
		return err
	}
	l.folder = folder
	return nil
}

// writeTree makes a folder of files that is whole or not there.
func writeTree(parent, folder string, files map[string][]byte) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	tmp, err := os.MkdirTemp(parent, "new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for name, text := range files {
		at := filepath.Join(tmp, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(at, text, 0o600); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp, folder); err != nil {
		if _, there := os.Stat(folder); there != nil { // another process was first
			return err
		}
	}
	return nil
}

// compile makes the library of src at file.
func (l *library) compile(compiler []string, src *metal.Source, file string) error {
	tmp, err := os.MkdirTemp(l.folder, "build-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	text, out := filepath.Join(tmp, "kernel.metal"), filepath.Join(tmp, "kernel.so")
	if err := os.WriteFile(text, []byte(prologue+src.Text+epilogue), 0o600); err != nil {
		return err
	}
	args := append(compiler[1:len(compiler):len(compiler)], compileFlags...)
	cmd := exec.Command(compiler[0], append(args, "-I", filepath.Join(l.folder, "kernels"), "-o", out, text)...)
	cmd.Dir = tmp
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		message := strings.TrimSpace(said.String())
		if len(message) > maxMessage {
			message = message[:maxMessage] + "\n…"
		}
		return fmt.Errorf("%s cannot compile the kernel: %w\n%s", compiler[0], err, message)
	}
	return os.Rename(out, file)
}
