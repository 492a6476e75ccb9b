package graph_test

import (
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/stretchr/testify/require"
)

// MLX's losses by default and with every option at another value, as
// mlx.nn.losses 0.32.2 returned them. Gradients are in the golden values.
func TestLossesFollowMLX(t *testing.T) {
	x := graph.FromSlice([]float32{0.5, -1, 2, 1.5, 0.25, -0.75}, 2, 3)
	y := graph.FromSlice([]float32{0.2, 0.3, 0.5, 1, -0.5, 0.1}, 2, 3)
	z := graph.FromSlice([]float32{1, 0, -0.5, 0.3, 0.6, 0.9}, 2, 3)
	bits := graph.FromSlice([]float32{1, 0, 1, 0, 1, 1}, 2, 3)
	signs := graph.FromSlice([]float32{1, -1, 1, -1, 1, 1}, 2, 3)
	rows, columns := graph.FromSlice([]int32{2, 0}), graph.FromSlice([]int32{1, 0, 1})
	for name, c := range map[string]struct {
		got  *graph.Array
		want []float64
	}{
		"cross entropy": {graph.CrossEntropyLoss(x, rows, nil), []float64{0.24131133, 0.33067259}},
		"cross entropy of columns": {graph.CrossEntropyLoss(x, columns, &graph.CrossEntropyOptions{Weights: graph.FromSlice([]float32{1, 2, 3}), Axis: new(0),
			LabelSmoothing: 0.1, Reduction: graph.ReduceMean}), []float64{3.7551744}},
		"cross entropy of probabilities": {graph.CrossEntropyLoss(x, graph.Softmax(y, -1), &graph.CrossEntropyOptions{Weights: graph.FromSlice([]float32{0.5, 2}),
			Reduction: graph.ReduceSum}), []float64{2.9438109}},
		"binary cross entropy": {graph.BinaryCrossEntropyLoss(x, bits, nil), []float64{0.72141504}},
		"binary cross entropy of probabilities": {graph.BinaryCrossEntropyLoss(graph.Sigmoid(x), bits, &graph.BinaryCrossEntropyOptions{Weights: y, Probabilities: true,
			Reduction: graph.ReduceSum}), []float64{1.7793887}},
		"l1":        {graph.L1Loss(x, y, ""), []float64{0.86666667}},
		"mse":       {graph.MSELoss(x, y, ""), []float64{0.92749995}},
		"nll":       {graph.NLLLoss(x, rows, nil), []float64{-2, -1.5}},
		"nll, axis": {graph.NLLLoss(x, columns, &graph.RowLossOptions{Axis: new(0), Reduction: graph.ReduceMean}), []float64{0.083333336}},
		"gaussian":  {graph.GaussianNLLLoss(x, y, graph.Abs(z), nil), []float64{140832.56}},
		"gaussian, full": {graph.GaussianNLLLoss(x, y, graph.Abs(z), &graph.GaussianNLLOptions{Full: true, Eps: new(0.1), Reduction: graph.ReduceSum}),
			[]float64{15.137489}},
		"kl div":          {graph.KLDivLoss(x, y, nil), []float64{-1.0846866, -0.8746435}},
		"kl div, axis":    {graph.KLDivLoss(x, y, &graph.RowLossOptions{Axis: new(0), Reduction: graph.ReduceSum}), []float64{-1.9593301}},
		"smooth l1":       {graph.SmoothL1Loss(x, y, nil), []float64{0.43541667}},
		"smooth l1, beta": {graph.SmoothL1Loss(x, y, &graph.SmoothL1Options{Beta: new(0.5), Reduction: graph.ReduceNone}), []float64{0.09, 1.05, 1.25, 0.25, 0.5, 0.6}},
		"huber":           {graph.HuberLoss(x, y, nil), []float64{0.045, 0.8, 1, 0.125, 0.28125, 0.36125}},
		"huber, delta":    {graph.HuberLoss(x, y, &graph.HuberOptions{Delta: new(0.5), Reduction: graph.ReduceMean}), []float64{0.31166667}},
		"triplet":         {graph.TripletLoss(x, y, z, nil), []float64{0.26887321, 0.16892731}},
		"triplet, axis": {graph.TripletLoss(x, y, z, &graph.TripletOptions{Axis: new(0), P: new(3.0), Margin: new(0.0), Eps: new(1e-2), Reduction: graph.ReduceMean}),
			[]float64{0.12093914}},
		"hinge":        {graph.HingeLoss(x, signs, ""), []float64{0.5, 0, 0, 2.5, 0.75, 1.75}},
		"log cosh":     {graph.LogCoshLoss(x, y, ""), []float64{0.04434073, 0.67849743, 0.85544014, 0.12011451, 0.25826609, 0.32463884}},
		"log cosh sum": {graph.LogCoshLoss(x, y, graph.ReduceMean), []float64{0.3802163}},
		"cosine":       {graph.CosineSimilarityLoss(x, y, nil), []float64{0.56639385, 0.683029}},
		"cosine, axis": {graph.CosineSimilarityLoss(x, y, &graph.CosineSimilarityOptions{Axis: new(0), Eps: new(10.0), Reduction: graph.ReduceSum}), []float64{0.21}},
		"margin":       {graph.MarginRankingLoss(x, y, signs, nil), []float64{0, 0, 0, 0.5, 0, 0.85}},
		"margin, mean": {graph.MarginRankingLoss(x, y, signs, &graph.MarginRankingOptions{Margin: 0.7, Reduction: graph.ReduceMean}), []float64{0.525}},
	} {
		got := read(t, c.got)
		require.Len(t, got, len(c.want), name)
		for i, w := range c.want {
			require.InDelta(t, w, got[i], 3e-6*max(1, w, -w), "%s: element %d", name, i)
		}
	}
	three := graph.FromSlice([]float32{1, 2, 3})
	for want, fn := range map[string]func(){
		`MSELoss: reduction "max", want none, mean or sum`:                                       func() { graph.MSELoss(x, y, "max") },
		"MSELoss: operands are [float32[2 3] float32[3]], want one shape":                        func() { graph.MSELoss(x, three, "") },
		"CrossEntropyLoss: targets are int32[3], want shape [2] for scores of shape [2 3]":       func() { graph.CrossEntropyLoss(x, columns, nil) },
		"CrossEntropyLoss: weights are float32[3], the losses float32[2], want one shape":        func() { graph.CrossEntropyLoss(x, rows, &graph.CrossEntropyOptions{Weights: three}) },
		"CrossEntropyLoss: label smoothing 1, want [0, 1)":                                       func() { graph.CrossEntropyLoss(x, rows, &graph.CrossEntropyOptions{LabelSmoothing: 1}) },
		"CrossEntropyLoss: operands are [float32[2 3] float32[3 2]], want one shape":             func() { graph.CrossEntropyLoss(x, graph.Transpose(x), nil) },
		"GaussianNLLLoss: operands are [float32[2 3] float32[2 3] float32[3]], want one shape":   func() { graph.GaussianNLLLoss(x, y, three, nil) },
		"MarginRankingLoss: operands are [float32[2 3] float32[2 3] float32[3]], want one shape": func() { graph.MarginRankingLoss(x, y, three, nil) },
	} {
		err := graph.Catch(fn)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "(graph/loss_test.go:", want)
	}
}
