package weights

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/ftmetal/ftmetal/graph"
)

// Load reads the arrays of a .safetensors or .npz file by their names. Mirrors
// mx.load.
func Load(path string) (map[string]*graph.Array, error) {
	arrays := map[string]*graph.Array{}
	switch ext := filepath.Ext(path); ext {
	case ".npz":
		tensors, err := ReadNPZ(path)
		if err != nil {
			return nil, err
		}
		for _, t := range tensors {
			arrays[t.Name] = graph.FromBytes(t.Data, t.DType, t.Shape...)
		}
	case ".safetensors":
		f, err := Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		for _, t := range f.Tensors() { // copies: the mapping ends here
			arrays[t.Name] = graph.FromBytes(append([]byte{}, t.Data...), t.DType, t.Shape...)
		}
	default:
		return nil, fmt.Errorf("load %s: the name ends in %q, want .safetensors or .npz", path, ext)
	}
	return arrays, nil
}

// Save evaluates arrays and writes them by their names to a .safetensors or
// .npz file, in one step: on an error the path keeps its old content. Mirrors
// mx.save_safetensors and mx.savez.
func Save(ctx context.Context, path string, arrays map[string]*graph.Array) error {
	tensors, err := tensorsOf(ctx, arrays)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	switch ext := filepath.Ext(path); ext {
	case ".npz":
		return WriteNPZ(path, tensors, false)
	case ".safetensors":
		return WriteFile(path, tensors, nil)
	default:
		return fmt.Errorf("save %s: the name ends in %q, want .safetensors or .npz", path, ext)
	}
}

// SaveCompressed is Save to a compressed .npz file. Mirrors mx.savez_compressed.
func SaveCompressed(ctx context.Context, path string, arrays map[string]*graph.Array) error {
	tensors, err := tensorsOf(ctx, arrays)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return WriteNPZ(path, tensors, true)
}

// tensorsOf evaluates arrays, all of them at once.
func tensorsOf(ctx context.Context, arrays map[string]*graph.Array) ([]Tensor, error) {
	if err := graph.Eval(ctx, slices.Collect(maps.Values(arrays))...); err != nil {
		return nil, err
	}
	tensors := make([]Tensor, 0, len(arrays))
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		t, err := tensorOf(ctx, name, arrays[name])
		if err != nil {
			return nil, err
		}
		tensors = append(tensors, t)
	}
	return tensors, nil
}

func tensorOf(ctx context.Context, name string, a *graph.Array) (Tensor, error) {
	raw, err := graph.Bytes(ctx, a)
	if err != nil {
		return Tensor{}, fmt.Errorf("tensor %q: %w", name, err)
	}
	return Tensor{Name: name, DType: a.DType(), Shape: a.Shape(), Data: raw}, nil
}

// LoadArray reads the array of an .npy file. Mirrors mx.load.
func LoadArray(path string) (*graph.Array, error) {
	t, err := ReadNPY(path)
	if err != nil {
		return nil, err
	}
	return graph.FromBytes(t.Data, t.DType, t.Shape...), nil
}

// SaveArray evaluates an array and writes it to an .npy file. Mirrors mx.save.
func SaveArray(ctx context.Context, path string, a *graph.Array) error {
	t, err := tensorOf(ctx, "", a)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return WriteNPY(path, t)
}
