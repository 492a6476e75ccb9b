package weights_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/models/weights"
)

// Arrays are saved under names; the ending of the file says the format.
func ExampleSave() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx, path := context.Background(), filepath.Join(dir, "arrays.safetensors")
	if err := weights.Save(ctx, path, map[string]*graph.Array{"a": graph.FromSlice([]float32{1, 2, 3, 4}, 2, 2)}); err != nil {
		panic(err)
	}
	arrays, err := weights.Load(path)
	v, _ := graph.Read[float32](ctx, graph.Multiply(arrays["a"], 2.0))
	fmt.Println(arrays["a"], v, err)
	// Output: float32[2 2] [2 4 6 8] <nil>
}
