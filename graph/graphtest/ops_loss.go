package graphtest

import "github.com/ftmetal/ftmetal/graph"

// lossOf is the entry of a loss: params without reduction.
func lossOf(params string, fn func(c *call) *graph.Array) *opEntry {
	return general(composed, params+" reduction", fn)
}

// pairLoss is lossOf for predictions and targets alone.
func pairLoss(params string, fn func(a, b *graph.Array, r graph.Reduction) *graph.Array) *opEntry {
	return lossOf(params, func(c *call) *graph.Array {
		if c.has("inputs") {
			return fn(c.array("inputs"), c.array("targets"), c.reduction())
		}
		return fn(c.array("predictions"), c.array("targets"), c.reduction())
	})
}

func (c *call) reduction() graph.Reduction { return graph.Reduction(c.text("reduction", "")) }

// axis is the axis that a call gives, if any.
func (c *call) axis() *int {
	if !c.has("axis") {
		return nil
	}
	return new(c.integer("axis", 0))
}

// maybe is the number that a call gives, if any.
func (c *call) maybe(name string) *float64 {
	if !c.has(name) {
		return nil
	}
	return new(c.number(name, 0))
}

func (c *call) rowLoss() *graph.RowLossOptions {
	return &graph.RowLossOptions{Axis: c.axis(), Reduction: c.reduction()}
}

const losses = "nn.losses."

var lossOps = map[string]*opEntry{
	losses + "cross_entropy": lossOf("logits targets weights axis label_smoothing", func(c *call) *graph.Array {
		return graph.CrossEntropyLoss(c.array("logits"), c.array("targets"), &graph.CrossEntropyOptions{Weights: c.optional("weights"), Axis: c.axis(),
			LabelSmoothing: c.number("label_smoothing", 0), Reduction: c.reduction()})
	}),
	losses + "binary_cross_entropy": lossOf("inputs targets weights with_logits", func(c *call) *graph.Array {
		return graph.BinaryCrossEntropyLoss(c.array("inputs"), c.array("targets"), &graph.BinaryCrossEntropyOptions{Weights: c.optional("weights"),
			Probabilities: !c.flag("with_logits", true), Reduction: c.reduction()})
	}),
	losses + "l1_loss":  pairLoss("predictions targets", graph.L1Loss),
	losses + "mse_loss": pairLoss("predictions targets", graph.MSELoss),
	losses + "nll_loss": lossOf("inputs targets axis", func(c *call) *graph.Array {
		return graph.NLLLoss(c.array("inputs"), c.array("targets"), c.rowLoss())
	}),
	losses + "gaussian_nll_loss": lossOf("inputs targets vars full eps", func(c *call) *graph.Array {
		return graph.GaussianNLLLoss(c.array("inputs"), c.array("targets"), c.array("vars"),
			&graph.GaussianNLLOptions{Full: c.flag("full", false), Eps: c.maybe("eps"), Reduction: c.reduction()})
	}),
	losses + "kl_div_loss": lossOf("inputs targets axis", func(c *call) *graph.Array {
		return graph.KLDivLoss(c.array("inputs"), c.array("targets"), c.rowLoss())
	}),
	losses + "smooth_l1_loss": lossOf("predictions targets beta", func(c *call) *graph.Array {
		return graph.SmoothL1Loss(c.array("predictions"), c.array("targets"), &graph.SmoothL1Options{Beta: c.maybe("beta"), Reduction: c.reduction()})
	}),
	losses + "huber_loss": lossOf("inputs targets delta", func(c *call) *graph.Array {
		return graph.HuberLoss(c.array("inputs"), c.array("targets"), &graph.HuberOptions{Delta: c.maybe("delta"), Reduction: c.reduction()})
	}),
	losses + "triplet_loss": lossOf("anchors positives negatives axis p margin eps", func(c *call) *graph.Array {
		return graph.TripletLoss(c.array("anchors"), c.array("positives"), c.array("negatives"),
			&graph.TripletOptions{Axis: c.axis(), P: c.maybe("p"), Margin: c.maybe("margin"), Eps: c.maybe("eps"), Reduction: c.reduction()})
	}),
	losses + "hinge_loss":    pairLoss("inputs targets", graph.HingeLoss),
	losses + "log_cosh_loss": pairLoss("inputs targets", graph.LogCoshLoss),
	losses + "cosine_similarity_loss": lossOf("x1 x2 axis eps", func(c *call) *graph.Array {
		return graph.CosineSimilarityLoss(c.array("x1"), c.array("x2"), &graph.CosineSimilarityOptions{Axis: c.axis(), Eps: c.maybe("eps"), Reduction: c.reduction()})
	}),
	losses + "margin_ranking_loss": lossOf("inputs1 inputs2 targets margin", func(c *call) *graph.Array {
		return graph.MarginRankingLoss(c.array("inputs1"), c.array("inputs2"), c.array("targets"),
			&graph.MarginRankingOptions{Margin: c.number("margin", 0), Reduction: c.reduction()})
	}),
}
