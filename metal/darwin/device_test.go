//go:build metalfake

package darwin_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/darwin"
	"github.com/ftmetal/ftmetal/metal/darwin/fake"
	"github.com/stretchr/testify/require"
)

// Systems and devices that the kernels cannot run on are refused, the others
// get the language version they have (the fake checks it).
func TestSystems(t *testing.T) {
	for _, c := range []struct {
		machine fake.Machine
		want    string
	}{
		{fake.Machine{NoDevice: true}, "this machine has no Metal device"},
		{fake.Machine{OSMajor: 13, OSMinor: 6}, "macOS 13.6: the kernels need macOS 14, whose Metal 3.1 has bfloat"},
		{fake.Machine{Name: "AMD Radeon Pro 5300M", Family: 2}, "AMD Radeon Pro 5300M: the kernels need an Apple GPU (M1 or later)"},
		{fake.Machine{OSMajor: 14}, ""},
		{fake.Machine{OSMajor: 15}, ""},
		{fake.Machine{OSMajor: 26, OSMinor: 2, Name: "Apple M5", Family: 10}, ""},
		{fake.Machine{Name: "Apple Paravirtual device", Family: 5, NoCopy: true}, ""},
	} {
		fake.Reset()
		fake.Set(c.machine)
		if c.want != "" {
			_, err := darwin.New(darwin.Options{})
			require.EqualError(t, err, c.want)
			require.Zero(t, fake.Count().Live)
			continue
		}
		d := openOn(t, darwin.Options{})
		v := vectors(t, d, 2, 8)
		require.NoError(t, metal.Run(context.Background(), d, chain(v)), "%+v", c.machine)
		require.Equal(t, float32(2), get(v[1], 7))
		require.NoError(t, d.Close())
	}
}

// Open falls back to the software device, and says why.
func TestFallback(t *testing.T) {
	fake.Reset()
	fake.Set(fake.Machine{NoDevice: true})
	d, choice, err := metal.Open("")
	require.NoError(t, err)
	defer d.Close()
	require.Equal(t, metal.Choice{Name: "soft", Reason: "metal: this machine has no Metal device"}, choice)
}

// Mapped files are used where they lie, from any byte on; without a copy unless
// Metal takes no memory of the host's.
func TestWrap(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weights")
	require.NoError(t, os.WriteFile(file, make([]byte, 3*os.Getpagesize()+100), 0o644))
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	mapped, err := syscall.Mmap(int(f.Fd()), 0, 3*os.Getpagesize()+100, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE)
	require.NoError(t, err)
	for _, refused := range []bool{false, true} {
		for _, from := range []int{0, 4, os.Getpagesize() - 4, os.Getpagesize(), 3*os.Getpagesize() + 4} {
			d := open(t, darwin.Options{})
			fake.Set(fake.Machine{NoCopy: refused})
			part := mapped[from : from+64]
			b, err := d.Wrap(part)
			require.NoError(t, err)
			require.Equal(t, !refused, &b.Bytes()[0] == &part[0])
			x := kernels.Contig(metal.View{Buf: b, Len: 64}, metal.Float32, 16)
			put(x, 15, 21)
			out := vectors(t, d, 1, 16)[0]
			var l list
			kernels.Binary(&l, kernels.Add, x, x, out)
			require.NoError(t, metal.Run(context.Background(), d, l))
			require.Equal(t, float32(42), get(out, 15), "from byte %d", from)
			require.NoError(t, d.Close())
		}
	}
	require.NoError(t, syscall.Munmap(mapped))
	d := open(t, darwin.Options{})
	_, err = d.Wrap(nil)
	require.EqualError(t, err, "metal: wrapping no bytes")
}

func TestMemory(t *testing.T) {
	d := open(t, darwin.Options{})
	fake.Set(fake.Machine{})
	_, err := d.Alloc(0)
	require.EqualError(t, err, "metal: a buffer of 0 bytes")
	_, err = d.Alloc(10 << 30)
	require.EqualError(t, err, "metal: a buffer of 10.00 GiB: Apple M4 allows 9.00 GiB")
	b, err := d.Alloc(100)
	require.NoError(t, err)
	d.Free(b)
	require.PanicsWithValue(t, "metal: Free of a buffer that this device does not own", func() { d.Free(b) })
	require.Equal(t, metal.Info{Name: "Apple M4", Architecture: "applegpu_g16g", MemoryBytes: 12 << 30, HostMemory: true, MaxBuffer: 9 << 30}, d.Info())
}

// A warning, once, when more memory is in use than stays resident.
func TestWorkingSetWarning(t *testing.T) {
	fake.Reset()
	fake.Set(fake.Machine{WorkingSet: 1 << 20})
	d := openOn(t, darwin.Options{})
	said := stderr(t, func() {
		for range 4 {
			_, err := d.Alloc(400 << 10)
			require.NoError(t, err)
		}
	})
	require.Equal(t, 1, strings.Count(said, "expect swapping"), said)
	require.Contains(t, said, "1.17 MiB of GPU memory are in use, and Apple M4 keeps 1.00 MiB resident")
}

// stderr is what f writes there.
func stderr(t *testing.T, f func()) string {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	old := os.Stderr
	os.Stderr = w
	f()
	os.Stderr = old
	require.NoError(t, w.Close())
	said, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(said)
}

// Buffers are wired up to the limit, from macOS 15 on.
func TestResidency(t *testing.T) {
	for major, want := range map[int]int{14: 0, 15: 3} {
		fake.Reset()
		fake.Set(fake.Machine{OSMajor: major})
		d := openOn(t, darwin.Options{Wired: 100 << 10})
		first, err := d.Alloc(40 << 10)
		require.NoError(t, err)
		for range 2 {
			_, err = d.Alloc(40 << 10) // the second one is too much
			require.NoError(t, err)
		}
		v := vectors(t, d, 2, 8)
		require.NoError(t, metal.Run(context.Background(), d, chain(v)))
		require.Equal(t, want, fake.Count().Resident)
		d.Free(first)
		require.NoError(t, metal.Run(context.Background(), d, chain(v)))
		require.Equal(t, max(0, want-1), fake.Count().Resident)
	}
}

// The wired limit takes buffers in and lets them go while the device is open.
func TestSetWiredLimit(t *testing.T) {
	fake.Set(fake.Machine{OSMajor: 15})
	d := openOn(t, darwin.Options{})
	v := vectors(t, d, 2, 8)
	a, err := d.Alloc(40 << 10)
	require.NoError(t, err)
	resident := func() int {
		require.NoError(t, metal.Run(context.Background(), d, chain(v)))
		return fake.Count().Resident
	}
	require.Zero(t, resident())
	old, err := d.SetWiredLimit(1 << 20)
	require.NoError(t, err)
	require.Zero(t, old)
	all := resident()
	require.Positive(t, all)
	_, err = d.Alloc(40 << 10)
	require.NoError(t, err)
	require.Equal(t, all+1, resident())
	d.Free(a)
	require.Equal(t, all, resident())
	old, err = d.SetWiredLimit(0)
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, old)
	require.Zero(t, resident())
	_, err = d.SetWiredLimit(1 << 60)
	require.ErrorContains(t, err, "keeps at most")
}

// A capture from StartCapture to StopCapture has the runs in between.
func TestStartCapture(t *testing.T) {
	d := open(t, darwin.Options{Batch: 1})
	v := vectors(t, d, 4, 8)
	run := func() { require.NoError(t, metal.Run(context.Background(), d, chain(v))) }
	trace := filepath.Join(t.TempDir(), "x.gputrace")
	run()
	require.NoError(t, d.StartCapture(trace))
	require.EqualError(t, d.StartCapture(trace), "metal: capturing: a capture is going on")
	run()
	run()
	require.NoError(t, d.StopCapture())
	run()
	require.Equal(t, 6, fake.Count().Captured)
	require.FileExists(t, trace)
	require.EqualError(t, d.StopCapture(), "metal: no capture is going on")
}

// A run is recorded when it is asked for, and refused with a reason where the
// system allows no traces.
func TestCapture(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "x.gputrace")
	d := open(t, darwin.Options{Capture: trace, Run: 2, Batch: 1})
	v := vectors(t, d, 4, 8)
	for range 3 {
		require.NoError(t, metal.Run(context.Background(), d, chain(v)))
	}
	require.Equal(t, 3, fake.Count().Captured, "command buffers of the second run")
	require.FileExists(t, trace)

	d = open(t, darwin.Options{Capture: trace})
	fake.Set(fake.Machine{NoCapture: true})
	err := metal.Run(context.Background(), d, chain(vectors(t, d, 2, 8)))
	require.EqualError(t, err, "metal: capturing to "+trace+": the system allows no GPU traces of this process: set MTL_CAPTURE_ENABLED=1")
	d = open(t, darwin.Options{Capture: "trace.txt"})
	require.ErrorContains(t, metal.Run(context.Background(), d, chain(vectors(t, d, 2, 8))), "invalid capture descriptor (MTLCaptureError 3)")
}

// Pipelines come from the archive at the next start; a damaged one, or one of
// another system, is left aside and made anew.
func TestArchive(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	start := func(machine fake.Machine) fake.Counters {
		fake.Reset()
		fake.Set(machine)
		d := openOn(t, darwin.Options{Cache: cache})
		require.NoError(t, metal.Run(context.Background(), d, chain(vectors(t, d, 2, 8))))
		require.NoError(t, d.Close())
		return fake.Count()
	}
	files := func() []string {
		all, err := filepath.Glob(filepath.Join(cache, "*"))
		require.NoError(t, err)
		return all
	}
	first := start(fake.Machine{})
	require.Equal(t, [2]int{1, 0}, [2]int{first.Compiled, first.Archived})
	require.Len(t, files(), 1)
	again := start(fake.Machine{})
	require.Equal(t, [2]int{0, 1}, [2]int{again.Compiled, again.Archived})

	for _, damage := range []string{"", "garbage"} {
		require.NoError(t, os.WriteFile(files()[0], []byte(damage), 0o644))
		c := start(fake.Machine{})
		require.Equal(t, [2]int{1, 0}, [2]int{c.Compiled, c.Archived})
		c = start(fake.Machine{})
		require.Equal(t, [2]int{0, 1}, [2]int{c.Compiled, c.Archived})
	}
	// What is no file is left alone, and done without.
	name := files()[0]
	for _, put := range []func() error{
		func() error { return os.MkdirAll(filepath.Join(name, "full"), 0o755) },
		func() error { return syscall.Mkfifo(name, 0o644) },
		func() error { return os.Symlink("/", name) },
	} {
		require.NoError(t, os.RemoveAll(name))
		require.NoError(t, put())
		for range 2 {
			c := start(fake.Machine{})
			require.Equal(t, [2]int{1, 0}, [2]int{c.Compiled, c.Archived})
		}
		require.Len(t, files(), 1)
	}
	require.NoError(t, os.RemoveAll(name))
	require.NoError(t, os.Symlink("nowhere", name), "a file that is not there is made")
	require.Equal(t, 1, start(fake.Machine{}).Compiled)
	require.Equal(t, 1, start(fake.Machine{}).Archived)

	other := start(fake.Machine{OSMinor: 1})
	require.Equal(t, 1, other.Compiled)
	other = start(fake.Machine{Name: "Apple M3"})
	require.Equal(t, 1, other.Compiled)
	require.Len(t, files(), 3)

	// A folder that cannot be made costs the archive, not the run.
	require.NoError(t, os.RemoveAll(cache))
	require.NoError(t, os.WriteFile(cache, nil, 0o644))
	require.Equal(t, 1, start(fake.Machine{}).Compiled)
}

// A kernel that may have fewer threads than it is launched with is compiled
// again for as many.
func TestGroupLimit(t *testing.T) {
	d := open(t, darwin.Options{})
	fake.Set(fake.Machine{GroupLimit: 64})
	v := vectors(t, d, 2, 1000)
	require.NoError(t, metal.Run(context.Background(), d, chain(v)))
	require.Equal(t, float32(2), get(v[1], 999))
	require.Equal(t, 2, fake.Count().Compiled)
}
