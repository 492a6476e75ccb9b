package optim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/weights"
)

// State is the optimizer's arrays by MLX's names. MLX calls it state, as a tree.
func (o *Optimizer) State() map[string]*graph.Array { return tree.Named(o) }

// State is the arrays of all optimizers, those of the first below states.0.
func (m *MultiOptimizer) State() map[string]*graph.Array { return tree.Named(m) }

// SaveState evaluates the state and writes it to a .safetensors or .npz file.
func (o *Optimizer) SaveState(ctx context.Context, path string) error {
	return weights.Save(ctx, path, o.State())
}

// SaveState is Optimizer.SaveState of all optimizers together.
func (m *MultiOptimizer) SaveState(ctx context.Context, path string) error {
	return weights.Save(ctx, path, m.State())
}

// LoadState reads what SaveState, or MLX, wrote, after Init: names and shapes are
// those of the state. On an error nothing is changed.
func (o *Optimizer) LoadState(path string) error { return loadState(o, path) }

// LoadState is Optimizer.LoadState of all optimizers together.
func (m *MultiOptimizer) LoadState(path string) error { return loadState(m, path) }

// SetState is LoadState from arrays.
func (o *Optimizer) SetState(arrays map[string]*graph.Array) error { return setState(o, arrays) }

// SetState is LoadState from arrays.
func (m *MultiOptimizer) SetState(arrays map[string]*graph.Array) error { return setState(m, arrays) }

func loadState(root any, path string) error {
	arrays, err := weights.Load(path)
	if err != nil {
		return err
	}
	if err := setState(root, arrays); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func setState(root any, arrays map[string]*graph.Array) error {
	state := tree.Flatten(root)
	unknown := maps.Clone(arrays)
	var missing, wrong []string
	for _, l := range state {
		a := arrays[l.Name]
		delete(unknown, l.Name)
		switch {
		case a == nil:
			missing = append(missing, l.Name)
		case !slices.Equal(a.Shape(), l.Array.Shape()):
			wrong = append(wrong, fmt.Sprintf("%s has shape %v, want %v", l.Name, a.Shape(), l.Array.Shape()))
		case l.Array.DType().IsFloat() && !a.DType().IsFloat() || l.Array.DType() == metal.Uint64 && a.DType() != metal.Uint64:
			wrong = append(wrong, fmt.Sprintf("%s is %s, want %s", l.Name, a.DType(), l.Array.DType()))
		}
	}
	var faults []string
	fault := func(what string, names []string) {
		const most = 8
		if n := len(names); n > most {
			names = append(names[:most:most], fmt.Sprintf("and %d more", n-most))
		}
		if len(names) > 0 {
			faults = append(faults, what+" "+strings.Join(names, ", "))
		}
	}
	fault("the optimizer state does not fit:", wrong)
	fault("the optimizer state lacks", missing)
	fault("the optimizer, initialised for other parameters or not at all, has no", slices.Sorted(maps.Keys(unknown)))
	if len(faults) > 0 {
		return errors.New(strings.Join(faults, "; "))
	}
	for _, l := range state {
		l.Set(arrays[l.Name])
	}
	return nil
}
