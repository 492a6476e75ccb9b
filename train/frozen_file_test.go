package train

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A file of states that is cut short, damaged or of another run is told apart and
// begun anew, one that is nothing of the kind is left alone, and bits are the same
// whatever happened to it.
func TestFrozenFileFaults(t *testing.T) {
	cfg := frozenConfig(t, 20)
	const n = 8
	want := bits(steps(t, *cfg, n, openKept(t)))
	cfg.CacheFrozen = filepath.Join(t.TempDir(), "states")
	var warnings []string
	run := func() frozenRun {
		return steps(t, *cfg, n, func(s *session, step *Stepper) {
			openKept(t)(s, step)
			warnings = s.warnings
		})
	}
	r := run()
	require.Equal(t, want, bits(r))
	require.Empty(t, warnings)
	whole, err := os.ReadFile(cfg.CacheFrozen)
	require.NoError(t, err)
	write := func(raw []byte) { require.NoError(t, os.WriteFile(cfg.CacheFrozen, raw, 0o600)) }
	table := len(whole) - int(r.use.Bytes) - statePage

	for name, c := range map[string]struct {
		raw     []byte
		warning string
		damaged int // examples
	}{
		"cut short":          {whole[:len(whole)-100], "was cut short, or is not whole: it is begun anew", 0},
		"cut in its key":     {whole[:20], "is damaged at its beginning: it is begun anew", 0},
		"a broken key":       {slices.Concat(whole[:30], []byte("?"), whole[31:]), "is damaged at its beginning: it is begun anew", 0},
		"empty":              {nil, "is empty: it is begun anew", 0},
		"a flipped bit":      {flipped(whole, len(whole)-int(r.use.Bytes)/2), "", 1},
		"a broken entry":     {flipped(whole, table), "", 1},
		"states not written": {slices.Concat(whole[:table+statePage], make([]byte, r.use.Bytes)), "", 32},
	} {
		t.Run(name, func(t *testing.T) {
			write(c.raw)
			r := run()
			require.Equal(t, want, bits(r))
			if c.warning == "" {
				require.Empty(t, warnings)
			} else {
				require.Contains(t, warnings[0], "cache_frozen "+cfg.CacheFrozen+" ")
				require.Contains(t, warnings[0], c.warning)
			}
			require.Equal(t, c.damaged, r.use.Damaged)
			got, err := os.ReadFile(cfg.CacheFrozen)
			require.NoError(t, err)
			require.Equal(t, whole, got, "repaired")
		})
	}
	t.Run("a file of another kind", func(t *testing.T) {
		write([]byte("somebody's data"))
		_, _, err := openFileStore(cfg.CacheFrozen, stateKey{}, 1, 1)
		require.EqualError(t, err, "cache_frozen "+cfg.CacheFrozen+": is a file of another kind, and is left as it is: remove it or name another")
		got, err := os.ReadFile(cfg.CacheFrozen)
		require.NoError(t, err)
		require.Equal(t, "somebody's data", string(got))
		_, _, err = openFileStore(filepath.Dir(cfg.CacheFrozen), stateKey{}, 1, 1)
		require.ErrorContains(t, err, "is a directory")
	})
	left, err := os.ReadDir(filepath.Dir(cfg.CacheFrozen))
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing but the file itself")
}

// flipped is raw with one bit changed.
func flipped(raw []byte, at int) []byte {
	raw = slices.Clone(raw)
	raw[at] ^= 4
	return raw
}

// What the states depend on is in the key, and a difference is named.
func TestFrozenFileKey(t *testing.T) {
	key := stateKey{Format: stateFormat, Model: "m", Layers: 2, DType: "float32", Data: "d", Device: "cpu", Program: "p"}
	path := filepath.Join(t.TempDir(), "states")
	open := func(k stateKey) string {
		s, why, err := openFileStore(path, k, 3, 100)
		require.NoError(t, err)
		require.NoError(t, s.close())
		return why
	}
	require.Empty(t, open(key))
	require.Empty(t, open(key))
	for _, c := range []struct {
		change func(*stateKey)
		why    string
	}{
		{func(k *stateKey) { k.Model = "other" }, "was made with another model"},
		{func(k *stateKey) { k.Layers = 3 }, "was made with 2 frozen layers, this run has 3"},
		{func(k *stateKey) { k.DType = "float16" }, "was made with dtype float32, this run has float16"},
		{func(k *stateKey) { k.Data = "other" }, "was made with other data"},
		{func(k *stateKey) { k.Device = "gpu" }, "was made with another device (cpu, this is gpu)"},
		{func(k *stateKey) { k.Program = "other" }, "was made with another build of ftmetal"},
		{func(k *stateKey) { k.Format = 7 }, "was made with another format (1, this version has 7)"},
	} {
		k := key
		c.change(&k)
		require.Contains(t, open(k), c.why)
		require.Empty(t, open(k), "begun anew with the new key")
		open(key)
	}
}

// A session's key changes with all that it should, and with nothing else.
func TestFrozenKeyOfASession(t *testing.T) {
	keyOf := func(change func(*Config)) stateKey {
		cfg := frozenConfig(t, 20)
		change(cfg)
		s, err := open(t.Context(), cfg)
		require.NoError(t, err)
		defer s.close()
		k, err := s.stateKey(newFrozenStates(s.folder.Model, FrozenOptions{Layers: s.frozen}))
		require.NoError(t, err)
		return k
	}
	base := keyOf(func(*Config) {})
	for name, change := range map[string]func(*Config){
		"rate, rank, updates": func(c *Config) { c.LearningRate, c.Rank, c.Optimizer, c.Iters = 1, 8, "sgd", 7 },
		"where":               func(c *Config) { c.CacheFrozen = "./a" },
		"accumulation":        func(c *Config) { c.GradAccumulationSteps, c.Dropout = 3, 0.5 },
	} {
		require.Equal(t, base, keyOf(change), name)
	}
	for want, change := range map[string]func(*Config){
		"2 frozen layers":   func(c *Config) { c.NumLayers = 1 },
		"dtype bfloat16":    func(c *Config) { c.DType = "float32" },
		"other data":        func(c *Config) { c.Seed = 5 },
		"other data, or":    func(c *Config) { c.MaxSeqLength = 127 },
		"other data, or o":  func(c *Config) { c.Packing = false },
		"other data, or ot": func(c *Config) { c.BatchSize = 3 },
	} {
		require.Contains(t, keyOf(change).differs(base), want)
	}
}

// What does not fit on the disk or in memory is refused before anything is computed.
func TestFrozenCacheThatDoesNotFit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not", "yet", "states")
	require.NoError(t, checkDisk(path, 1))
	require.ErrorContains(t, checkDisk(path, 1<<60), "1024.00 PiB of states do not fit: the disk has ")
	_, _, err := openFileStore(path, stateKey{}, 1, 1<<60)
	require.ErrorContains(t, err, "cache_frozen "+path+": 1024.00 PiB of states do not fit")
	require.NoDirExists(t, filepath.Dir(path))

	cfg := frozenConfig(t, 40)
	plan, err := Predict(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, plan.Frozen.Tokens*192*2, plan.Frozen.Bytes)
	cfg.MemoryLimit = "1MB"
	_, err = Predict(t.Context(), cfg)
	require.ErrorContains(t, err, "are the cache of the frozen layers: name a file as cache_frozen")
}

// A disk that becomes full while states are written gives an error with the file's
// name, and what was written is still good.
func TestFrozenFileOnAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "states")
	s, _, err := openFileStore(path, stateKey{}, 2, 2000)
	require.NoError(t, err)
	a, b := stateSlot{0, 0, 1000}, stateSlot{1, 1000, 1000}
	states := slices.Repeat([]byte{7}, 1000)
	require.NoError(t, s.put(a, states))
	var old syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(s.states) + 1000, Max: old.Max}))
	err = s.put(b, states)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old))
	require.EqualError(t, err, "cache_frozen "+path+": file too large")
	require.False(t, s.has(b))
	require.NoError(t, s.close())
	s, why, err := openFileStore(path, stateKey{}, 2, 2000)
	require.NoError(t, err)
	require.Empty(t, why)
	got := make([]byte, 1000)
	ok, err := s.get(a, got)
	require.NoError(t, err)
	require.True(t, ok && slices.Equal(states, got))
	require.False(t, s.has(b))
	require.NoError(t, s.close())
}

// Whatever bit of a file is flipped: it is refused, begun anew, or what it gives is
// what was put into it.
func TestFrozenFileWithAnyBitFlipped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "states")
	key := stateKey{Format: stateFormat, Model: "m", Layers: 2, DType: "float32", Data: "d", Device: "cpu", Program: "p"}
	slots := []stateSlot{{0, 0, 700}, {1, 700, 1}, {2, 701, 0}, {3, 701, 300}}
	const size = 1001
	rng := rand.New(rand.NewPCG(7, 7))
	want := make([]byte, size)
	for i := range want {
		want[i] = byte(rng.Uint32())
	}
	s, _, err := openFileStore(path, key, len(slots), size)
	require.NoError(t, err)
	for _, slot := range slots {
		require.NoError(t, s.put(slot, want[slot.off:slot.off+slot.n]))
	}
	require.NoError(t, s.close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	outcomes := map[string]int{}
	for range 400 {
		at := rng.IntN(len(whole))
		if part := rng.IntN(3); part == 0 {
			at = rng.IntN(200) // the head
		} else if part == 1 {
			at = statePage + rng.IntN(stateEntry*len(slots)) // the index
		}
		raw := slices.Clone(whole)
		raw[at] ^= 1 << rng.IntN(8)
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		s, why, err := openFileStore(path, key, len(slots), size)
		switch {
		case err != nil:
			require.ErrorContains(t, err, "is a file of another kind")
			outcomes["refused"]++
			continue
		case why != "":
			outcomes["begun anew"]++
		}
		for _, slot := range slots {
			got := make([]byte, slot.n)
			if !s.has(slot) {
				continue
			}
			ok, err := s.get(slot, got)
			require.NoError(t, err)
			if ok {
				require.Empty(t, why)
				require.Equal(t, want[slot.off:slot.off+slot.n], got, "bit of byte %d", at)
				outcomes["read"]++
			} else {
				require.False(t, s.has(slot))
				outcomes["damaged"]++
			}
		}
		require.NoError(t, s.close())
	}
	t.Log(outcomes)
	require.Len(t, outcomes, 4)
}
