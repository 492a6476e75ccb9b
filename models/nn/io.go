package nn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/models/weights"
)

// LoadWeights reads module's parameters from a .safetensors or .npz file. strict
// demands that file and module name the same parameters; otherwise what only
// one of them has is left alone. Nothing is changed unless all is well. The
// parameters take over the file's dtypes. Mirrors nn.Module.load_weights.
func LoadWeights(module any, path string, strict bool) error {
	arrays, err := weights.Load(path)
	if err != nil {
		return err
	}
	if err := SetWeights(module, arrays, strict); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// SetWeights is LoadWeights from arrays.
func SetWeights(module any, arrays Arrays, strict bool) error {
	params := byName(module)
	var missing, unknown, wrong []string
	for _, name := range arrays.Names() {
		p, a := params[name], arrays[name]
		switch {
		case p == nil:
			unknown = append(unknown, name)
		case !slices.Equal(a.Shape(), p.Shape):
			wrong = append(wrong, fmt.Sprintf("%s has shape %v, want %v", name, a.Shape(), p.Shape))
		}
	}
	Walk(module, func(p *Param) {
		if arrays[p.Name] == nil {
			missing = append(missing, p.Name)
		}
	})
	var faults []string
	fault := func(names []string, format string) {
		if len(names) > 0 {
			faults = append(faults, fmt.Sprintf(format, len(names), some(names)))
		}
	}
	fault(wrong, "%d parameters do not fit: %s")
	if strict {
		fault(unknown, "%d parameters are not in the module: %s")
		fault(missing, "%d parameters of the module are missing: %s")
	}
	if len(faults) > 0 {
		return errors.New(strings.Join(faults, "; "))
	}
	for name, a := range arrays {
		if p := params[name]; p != nil {
			p.Array = a
		}
	}
	return nil
}

// some names the first few.
func some(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// SaveWeights evaluates module's parameters and writes them to a .safetensors or
// .npz file in one step. Mirrors nn.Module.save_weights.
func SaveWeights(ctx context.Context, module any, path string) error {
	return weights.Save(ctx, path, Parameters(module))
}
