package graphtest

import "github.com/ftmetal/ftmetal/graph"

// lossOf is the entry of a loss: params without reduction, whose fallback is
// given.
func lossOf(params, reduction string, fn func(c *call) *graph.Array) *opEntry {
	return general(composed, params+" reduction", func(c *call) *graph.Array {
		return graph.Reduced(fn(c), c.text("reduction", reduction))
	})
}

// pairLoss is lossOf for predictions and targets alone.
func pairLoss(params, reduction string, fn func(a, b *graph.Array) *graph.Array) *opEntry {
	return lossOf(params, reduction, func(c *call) *graph.Array {
		if c.has("inputs") {
			return fn(c.array("inputs"), c.array("targets"))
		}
		return fn(c.array("predictions"), c.array("targets"))
	})
}

const losses = "nn.losses."

var lossOps = map[string]*opEntry{
	losses + "cross_entropy": lossOf("logits targets weights axis label_smoothing", "none", func(c *call) *graph.Array {
		return graph.CrossEntropyLoss(c.array("logits"), c.array("targets"), c.optional("weights"), c.integer("axis", -1), c.number("label_smoothing", 0))
	}),
	losses + "binary_cross_entropy": lossOf("inputs targets weights with_logits", "mean", func(c *call) *graph.Array {
		return graph.BinaryCrossEntropyLoss(c.array("inputs"), c.array("targets"), c.optional("weights"), c.flag("with_logits", true))
	}),
	losses + "l1_loss":  pairLoss("predictions targets", "mean", graph.L1Loss),
	losses + "mse_loss": pairLoss("predictions targets", "mean", graph.MSELoss),
	losses + "nll_loss": lossOf("inputs targets axis", "none", func(c *call) *graph.Array {
		return graph.NLLLoss(c.array("inputs"), c.array("targets"), c.integer("axis", -1))
	}),
	losses + "gaussian_nll_loss": lossOf("inputs targets vars full eps", "mean", func(c *call) *graph.Array {
		return graph.GaussianNLLLoss(c.array("inputs"), c.array("targets"), c.array("vars"), c.flag("full", false), c.number("eps", 1e-6))
	}),
	losses + "kl_div_loss": lossOf("inputs targets axis", "none", func(c *call) *graph.Array {
		return graph.KLDivLoss(c.array("inputs"), c.array("targets"), c.integer("axis", -1))
	}),
	losses + "smooth_l1_loss": lossOf("predictions targets beta", "mean", func(c *call) *graph.Array {
		return graph.SmoothL1Loss(c.array("predictions"), c.array("targets"), c.number("beta", 1))
	}),
	losses + "huber_loss": lossOf("inputs targets delta", "none", func(c *call) *graph.Array {
		return graph.HuberLoss(c.array("inputs"), c.array("targets"), c.number("delta", 1))
	}),
	losses + "triplet_loss": lossOf("anchors positives negatives axis p margin eps", "none", func(c *call) *graph.Array {
		return graph.TripletLoss(c.array("anchors"), c.array("positives"), c.array("negatives"), c.integer("axis", -1),
			c.number("p", 2), c.number("margin", 1), c.number("eps", 1e-6))
	}),
	losses + "hinge_loss":    pairLoss("inputs targets", "none", graph.HingeLoss),
	losses + "log_cosh_loss": pairLoss("inputs targets", "none", graph.LogCoshLoss),
	losses + "cosine_similarity_loss": lossOf("x1 x2 axis eps", "none", func(c *call) *graph.Array {
		return graph.CosineSimilarityLoss(c.array("x1"), c.array("x2"), c.integer("axis", 1), c.number("eps", 1e-8))
	}),
	losses + "margin_ranking_loss": lossOf("inputs1 inputs2 targets margin", "none", func(c *call) *graph.Array {
		return graph.MarginRankingLoss(c.array("inputs1"), c.array("inputs2"), c.array("targets"), c.number("margin", 0))
	}),
}
