package weights

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/internal/atomicfile"
)

// ExportFunction traces fn for arguments of the types of args and writes it to a
// file, whole or not at all. docs/function-files.md is the format. Mirrors
// mx.export_function.
func ExportFunction(ctx context.Context, path string, fn func([]*graph.Array) []*graph.Array, args ...*graph.Array) error {
	e := graph.NewExporter(fn)
	if err := e.Trace(ctx, args...); err != nil {
		return err
	}
	return SaveFunction(ctx, path, e)
}

// SaveFunction writes all that e has traced to a file, whole or not at all.
func SaveFunction(ctx context.Context, path string, e *graph.Exporter) error {
	return atomicfile.Write(path, 0o644, func(w io.Writer) error { return e.Write(ctx, w) })
}

// ImportFunction reads a function that ExportFunction or SaveFunction wrote.
// Mirrors mx.import_function.
func ImportFunction(path string) (func([]*graph.Array) []*graph.Array, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	fn, err := graph.ImportFunction(file)
	if err != nil {
		return nil, fmt.Errorf("weights: %s: %w", path, err)
	}
	return fn, nil
}
