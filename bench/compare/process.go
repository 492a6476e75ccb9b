package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// answer is a line that a worker prints.
type answer struct {
	Ready   bool    `json:"ready,omitempty"`
	Version string  `json:"version,omitempty"`
	Seconds float64 `json:"seconds"`           // of a call, a pass over the data, or a token
	Tokens  float64 `json:"tokens,omitempty"`  // of the pass, padding apart
	Loss    float64 `json:"loss,omitempty"`    // of its first step
	Prefill float64 `json:"prefill,omitempty"` // seconds
	IDs     []int   `json:"ids,omitempty"`
	Bytes   float64 `json:"bytes,omitempty"`  // of weights that our token reads
	FLOPs   float64 `json:"flops,omitempty"`  // of our prompt
	GFLOPS  float64 `json:"gflops,omitempty"` // of our own trainings, useful arithmetic only
	MFU     float64 `json:"mfu,omitempty"`    // that, by a matrix product's measured before
	Heap    float64 `json:"heap,omitempty"`

	bandwidth float64 // the part of the measured one at which weights were read
}

// process is a worker under way.
type process struct {
	side    side
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	version string
}

// start runs the worker of a side for a case and waits until it is ready.
func start(s side, p params, peers, scripts string) (*process, error) {
	if s.dtype != "" {
		p.DType = s.dtype
	}
	p.Cut, p.Compile = s.cut, s.as == "compiled"
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var cmd *exec.Cmd
	if s.name == "ftmetal" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd = exec.Command(self, "-worker", string(text))
	} else {
		cmd = exec.Command("env", environment(s, p.Threads)...)
		cmd.Args = append(cmd.Args, filepath.Join(peers, "bin", "python"), "-W", "ignore", filepath.Join(scripts, s.name+"_worker.py"), string(text))
	}
	w := &process{side: s, cmd: cmd}
	if w.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	w.out = bufio.NewScanner(out)
	w.out.Buffer(nil, 1<<20)
	first, err := w.read()
	if err != nil {
		w.stop()
		return nil, err
	}
	w.version = first.Version
	return w, nil
}

// environment sets a peer's threads. MLX's wheel comes with the reference BLAS,
// which is slow: the system's OpenBLAS takes its place where there is one
// (Debian's libopenblas0-pthread).
func environment(s side, threads int) []string {
	var env []string
	for _, name := range []string{"OMP", "MKL", "OPENBLAS"} {
		env = append(env, fmt.Sprintf("%s_NUM_THREADS=%d", name, threads))
	}
	if found, _ := filepath.Glob("/usr/lib/*/openblas-pthread/libopenblas.so.0"); s.name == "mlx" && s.as != "wheel" && len(found) > 0 {
		env = append(env, "LD_PRELOAD="+found[0])
	}
	return env
}

// read takes the next line of JSON; a library may print others.
func (w *process) read() (answer, error) {
	var a answer
	for w.out.Scan() {
		if line := w.out.Bytes(); len(line) > 0 && line[0] == '{' {
			if err := json.Unmarshal(line, &a); err != nil {
				return a, fmt.Errorf("%s: %w", w.side.label(), err)
			}
			return a, nil
		}
	}
	return a, errors.Join(fmt.Errorf("%s: the worker ended", w.side.label()), w.out.Err())
}

// run makes the worker run its case once. elsewhere is the part of the
// processors that other processes had meanwhile.
func (w *process) run() (a answer, elsewhere float64, err error) {
	time.Sleep(100 * time.Millisecond) // until the threads of the others sleep
	busy, own, began := machineTime(), w.time(), time.Now()
	if _, err := io.WriteString(w.in, "run\n"); err != nil {
		return a, 0, err
	}
	if a, err = w.read(); err != nil {
		return a, 0, err
	}
	others := (machineTime() - busy) - (w.time() - own)
	return a, max(0, others) / time.Since(began).Seconds(), nil
}

// peak is the most memory that the worker has used, in bytes.
func (w *process) peak() float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(raw), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb * 1024
		}
	}
	return 0
}

// tick is the unit of the times in /proc, the same on all Linux machines.
const tick = 0.01

// time is the processor time of the worker, in seconds.
func (w *process) time() float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) * tick
}

// machineTime is the processor time that the machine has spent, in seconds.
func machineTime() float64 {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	var sum float64
	for i, s := range strings.Fields(line) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // the name, idle, iowait, guests that user counts already
			continue
		}
		v, _ := strconv.ParseFloat(s, 64)
		sum += v
	}
	return sum * tick
}

// stop ends the worker.
func (w *process) stop() {
	w.in.Close()
	done := make(chan struct{})
	go func() {
		w.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		w.cmd.Process.Kill()
		<-done
	}
}
