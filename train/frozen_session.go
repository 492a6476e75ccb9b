package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/train/data"
)

// layOutFrozen finds where each example appears first: in the stream of training
// batches (loop) or in one pass over them, and in the validation.
func (s *session) layOutFrozen(ctx context.Context, loop bool) error {
	if s.frozen == 0 {
		return nil
	}
	add := func(c *data.Corpus, loop bool, limit int) error {
		it, err := s.iterator(c, loop)
		if err != nil {
			return err
		}
		l, err := data.NewLayout(ctx, c, it, limit)
		if err == nil {
			s.layouts = append(s.layouts, l)
		}
		return err
	}
	if err := add(s.train, loop, -1); err != nil {
		return err
	}
	if !loop || s.validLen() == 0 || s.cfg.ValBatches == 0 {
		return nil
	}
	return add(s.valid, false, s.cfg.ValBatches)
}

// planFrozen adds the cache of the frozen layers to the options of a step whose
// batches have at most that many tokens, and says what there is to keep. It refuses
// what does not fit.
func (s *session) planFrozen(opt *StepOptions, tokens int) (FrozenPlan, error) {
	if s.frozen == 0 {
		return FrozenPlan{}, nil
	}
	opt.Frozen = FrozenOptions{Layers: s.frozen, Tokens: tokens}
	width, dt := stateShape(s.folder.Model, s.frozen)
	_, slots, bytes := slotsOf(s.layouts, int64(width)*int64(dt.Size()))
	p := FrozenPlan{Where: s.cfg.CacheFrozen, Bytes: bytes}
	for _, l := range s.layouts {
		p.Tokens += l.Tokens()
	}
	if p.Where != "memory" {
		if err := checkDisk(p.Where, bytes+int64(stateEntry*slots)); err != nil {
			return p, fmt.Errorf("cache_frozen %s: %w", p.Where, err)
		}
		return p, nil
	}
	opt.Frozen.Memory = bytes
	return p, nil
}

// openFrozen gives the step its cache of the frozen layers.
func (s *session) openFrozen(step *Stepper) error {
	f := step.frozen
	if f == nil || !s.rt.Device.Info().HostMemory {
		return nil
	}
	kept, slots, bytes := slotsOf(s.layouts, f.tokenBytes())
	if s.cfg.CacheFrozen == "memory" {
		m, err := newMemoryStore(s.rt.Pool, slots, bytes)
		if err != nil {
			return err
		}
		f.keep(kept, m)
		return nil
	}
	key, err := s.stateKey(f)
	if err != nil {
		return err
	}
	file, why, err := openFileStore(s.cfg.CacheFrozen, key, slots, bytes)
	if err != nil {
		return err
	}
	if why != "" {
		s.warnings = append(s.warnings, fmt.Sprintf("cache_frozen %s %s: it is begun anew", s.cfg.CacheFrozen, why))
	}
	f.keep(kept, file)
	return nil
}

// stateKey says what the states of this run depend on.
func (s *session) stateKey(f *frozenStates) (stateKey, error) {
	key := stateKey{Format: stateFormat, Layers: f.layers, DType: f.dtype.String(), Device: computesOn(s.rt)}
	var err error
	if key.Model, err = s.modelHash(f.layers); err != nil {
		return key, err
	}
	key.Data, err = hashed(func(w io.Writer) error {
		for _, l := range s.layouts {
			if _, err := l.WriteTo(w); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return key, err
	}
	self, err := os.Executable()
	if err != nil {
		return key, fmt.Errorf("cache_frozen: which program runs is not known: %w", err)
	}
	key.Program, err = hashed(func(w io.Writer) error {
		f, err := os.Open(self)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
	return key, err
}

// modelHash is over everything that the first layers may read: all weights but those
// of the other layers.
func (s *session) modelHash(layers int) (string, error) {
	m := s.folder.Model
	later := map[*nn.Param]bool{}
	for b := layers; b < m.Blocks(); b++ {
		for _, p := range nn.Params(m.Block(b)) {
			later[p] = true
		}
	}
	return hashed(func(w io.Writer) error {
		w.Write(s.folder.Config) // a hash takes everything
		for _, p := range nn.Params(m) {
			if later[p] || p.Array == nil {
				continue
			}
			raw, err := graph.HostBytes(p.Array)
			if err != nil {
				return fmt.Errorf("tensor %q: %w", p.Name, err)
			}
			fmt.Fprintf(w, "%s %s %v\n", p.Name, p.Array.DType(), p.Array.Shape())
			w.Write(raw)
		}
		return nil
	})
}

// hashed is the SHA-256 of what fill writes.
func hashed(fill func(w io.Writer) error) (string, error) {
	h := sha256.New()
	if err := fill(h); err != nil {
		return "", fmt.Errorf("cache_frozen: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// computesOn names the device by what its results depend on; its number of threads
// is not among that.
func computesOn(rt *graph.Runtime) string {
	info := rt.Device.Info()
	d, ok := rt.Device.(metal.Describer)
	if !ok {
		return info.Name
	}
	parts := []string{info.Architecture}
	for _, f := range d.Facts() {
		switch f.Name {
		case "kernels", "instruction set", "architecture", "macOS as Metal sees it", "language":
			parts = append(parts, f.Value)
		}
	}
	return strings.Join(parts, "; ")
}
