package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// maxThreadgroupMemory is what a threadgroup may use on every Apple GPU.
const maxThreadgroupMemory = 32768

// clang compiles kernel files against include/kernel.h. It does so in a folder
// of copies, since a quoted include is first looked up beside the file, where
// the real kernel.h would be found.
type clang struct {
	program string
	dir     string
	include string
}

func newClang(program string) (*clang, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("%s is not installed (on Debian: apt-get install clang): %w", program, err)
	}
	include, err := filepath.Abs("tools/lintmetal/include")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lintmetal")
	if err != nil {
		return nil, err
	}
	return &clang{path, dir, include}, nil
}

func (c *clang) close() { os.RemoveAll(c.dir) }

func (c *clang) copy(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	to := filepath.Join(c.dir, path)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

// The target is one whose half and bfloat are types of their own.
var flags = strings.Fields(`-x c++ -std=c++14 -fsyntax-only -nostdinc -D__METAL_VERSION__=310
	--target=aarch64-none-elf -march=armv8.2-a+fp16 -Xclang -fallow-half-arguments-and-returns
	-Wall -Wdouble-promotion -Wvla -Wc++17-extensions -Wno-unknown-attributes -Wno-unused-function -Wno-undefined-inline
	-Wno-undefined-internal -fno-caret-diagnostics -fno-color-diagnostics -fno-spell-checking -ferror-limit=0`)

var (
	diagnostic = regexp.MustCompile(`^(.*?):(\d+):\d+: (error|fatal error|warning|note): (.*)$`)
	array      = regexp.MustCompile(`'threadgroup_memory<(\d+)(?:UL)?>' is deprecated`)
	specialise = regexp.MustCompile(`in instantiation of function template specialization '([^']*)' requested here`)
)

// check compiles the file and adds what clang says to its findings.
func (c *clang) check(s *source) error {
	for _, f := range s.all() {
		if err := c.copy(f.path); err != nil {
			return err
		}
	}
	cmd := exec.Command(c.program, append(append([]string{}, flags...), "-I", c.include, "-I", "kernels", s.path)...)
	cmd.Dir = c.dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("%s: %w", c.program, err)
	}
	m := memoryUse{s: s, common: map[*function]int{}, special: map[*function]map[string]int{}, last: map[*function]string{}}
	seen := map[string]bool{}
	lines := strings.Split(out.String(), "\n")
	for i, line := range lines {
		d := diagnostic.FindStringSubmatch(line)
		if d == nil || d[3] == "note" {
			continue
		}
		at, _ := strconv.Atoi(d[2])
		if a := array.FindStringSubmatch(d[4]); a != nil {
			bytes, _ := strconv.Atoi(a[1])
			m.add(at, bytes, instanceOf(lines[i+1:]))
			continue
		}
		// A half or a bfloat that becomes a float is how kernels compute.
		if strings.Contains(d[4], "-Wdouble-promotion") && !strings.Contains(d[4], "to 'double'") || seen[d[1]+d[2]+d[4]] {
			continue
		}
		seen[d[1]+d[2]+d[4]] = true
		if d[1] != s.path {
			at = usedAt(s.path, lines[i+1:])
		}
		s.report(at, "%s", d[4])
	}
	m.report()
	return nil
}

// usedAt is the line of the file at path that the notes after a diagnostic of a
// header name, 1 if they do not.
func usedAt(path string, rest []string) int {
	for _, line := range rest {
		d := diagnostic.FindStringSubmatch(line)
		if d == nil || d[3] != "note" {
			break
		}
		if d[1] == path {
			at, _ := strconv.Atoi(d[2])
			return at
		}
	}
	return 1
}

// instanceOf is the template specialisation that the notes after a warning
// name, "" if it holds for all.
func instanceOf(rest []string) string {
	for _, line := range rest {
		d := diagnostic.FindStringSubmatch(line)
		if d == nil || d[3] != "note" {
			break
		}
		if m := specialise.FindStringSubmatch(d[4]); m != nil {
			return m[1]
		}
	}
	return ""
}

// memoryUse adds up the threadgroup arrays of each kernel: those of a fixed size
// once, those whose size depends on template arguments per specialisation.
type memoryUse struct {
	s       *source
	common  map[*function]int
	special map[*function]map[string]int
	last    map[*function]string // the instance of the array before
}

func (m *memoryUse) add(line, bytes int, instance string) {
	var f *function
	for _, c := range m.s.functions {
		if c.kernel && c.line <= line && (f == nil || c.line > f.line) {
			f = c
		}
	}
	if f == nil {
		return
	}
	// A template is read before it is instantiated, and clang names the
	// instance with its first array only.
	if instance == "" {
		instance = m.last[f]
	}
	if m.last[f] = instance; instance == "" {
		m.common[f] += bytes
		return
	}
	if m.special[f] == nil {
		m.special[f] = map[string]int{}
	}
	m.special[f][instance] += bytes
}

func (m *memoryUse) report() {
	for _, f := range m.s.functions {
		most := 0
		for _, bytes := range m.special[f] {
			most = max(most, bytes)
		}
		if total := m.common[f] + most; total > maxThreadgroupMemory {
			m.s.report(f.line, "%s: %d bytes of threadgroup memory, at most %d", f.name, total, maxThreadgroupMemory)
		}
	}
}
