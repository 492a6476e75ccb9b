package graph_test

import (
	"bytes"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/stretchr/testify/require"
)

// TestExportToDot draws each op and each array once.
func TestExportToDot(t *testing.T) {
	x, y := graph.FromSlice([]float32{1, 2}), graph.FromSlice([]float32{3, 4})
	sum := graph.Add(x, y)
	var b bytes.Buffer
	require.NoError(t, graph.ExportToDot(&b, map[string]*graph.Array{"x": x, "s": sum}, graph.Multiply(sum, x), sum))
	require.Equal(t, `digraph {
  op0 [label="Add", shape=rectangle];
  in0 [label="x float32[2]"];
  in0 -> op0;
  in1 [label="float32[2]"];
  in1 -> op0;
  op1 [label="Multiply", shape=rectangle];
  op0 -> op1;
  in0 -> op1;
  out0 [label="float32[2]"];
  op1 -> out0;
  out1 [label="s float32[2]"];
  op0 -> out1;
}
`, b.String())
	require.ErrorContains(t, graph.ExportToDot(&b, nil, nil), "output 0 is nil")
}
