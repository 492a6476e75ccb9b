package graph

import (
	"math"
	"slices"
)

// The losses of mlx.nn.losses, composed as MLX composes them. Options that are nil,
// and fields of them that are zero or nil, are MLX's defaults. Training uses
// LinearCrossEntropy.

// Reduction is how the losses of elements or rows are joined; "" is MLX's default
// for the loss.
type Reduction string

// The reductions.
const (
	ReduceNone Reduction = "none"
	ReduceMean Reduction = "mean"
	ReduceSum  Reduction = "sum"
)

// reduced joins losses by r, or by the default.
func reduced(op string, loss *Array, r, byDefault Reduction) *Array {
	if r == "" {
		r = byDefault
	}
	switch r {
	case ReduceMean:
		return Mean(loss, nil, false)
	case ReduceSum:
		return Sum(loss, nil, false)
	}
	check(r == ReduceNone, op, "reduction %q, want none, mean or sum", r)
	return loss
}

// optionsOr is opt, or the defaults if that is nil.
func optionsOr[T any](opt *T) T {
	var zero T
	return valueOr(opt, zero)
}

// valueOr is what p points to, or the default.
func valueOr[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}

// oneShape refuses operands of different shapes.
func oneShape(op string, operands ...*Array) {
	present(op, operands...)
	for _, a := range operands[1:] {
		check(slices.Equal(a.shape, operands[0].shape), op, "operands are %v, want one shape", operands)
	}
}

// weighted is loss times weights of its shape, which may be nil.
func weighted(op string, loss, weights *Array) *Array {
	if weights == nil {
		return loss
	}
	check(slices.Equal(weights.shape, loss.shape), op, "weights are %v, the losses %v, want one shape", weights, loss)
	return Multiply(loss, weights)
}

// takeTarget reads the score of each target along axis.
func takeTarget(op string, scores, targets *Array, axis int) *Array {
	present(op, scores, targets)
	axis = normAxis(op, axis, len(scores.shape))
	want := slices.Delete(slices.Clone(scores.shape), axis, axis+1)
	check(slices.Equal(targets.shape, want), op, "targets are %v, want shape %v for scores of shape %v with classes along axis %d", targets, want, scores.shape, axis)
	return Squeeze(TakeAlongAxis(scores, ExpandDims(targets, axis), axis), axis)
}

// CrossEntropyOptions are the settings of CrossEntropyLoss.
type CrossEntropyOptions struct {
	Weights        *Array  // of the losses before they are joined; nil: ones
	Axis           *int    // of the classes; nil: the last
	LabelSmoothing float64 // the share of a target's weight that all classes get
	Reduction      Reduction
}

// CrossEntropyLoss is the cross-entropy of logits with targets: class indices, of
// logits' shape without the axis of the classes, or probabilities of logits'
// shape. Its losses are not joined by default. Mirrors nn.losses.cross_entropy.
func CrossEntropyLoss(logits, targets *Array, opt *CrossEntropyOptions) *Array {
	const op = "CrossEntropyLoss"
	present(op, logits, targets)
	o := optionsOr(opt)
	check(o.LabelSmoothing >= 0 && o.LabelSmoothing < 1, op, "label smoothing %g, want [0, 1)", o.LabelSmoothing)
	axis := normAxis(op, valueOr(o.Axis, -1), len(logits.shape))
	probabilities := len(targets.shape) == len(logits.shape)
	if probabilities {
		oneShape(op, logits, targets)
	}
	over := []int{axis}
	logits = Subtract(logits, StopGradient(Max(logits, over, true)))
	var score *Array
	if probabilities {
		score = Sum(Multiply(logits, targets), over, false)
	} else {
		score = takeTarget(op, logits, targets, axis)
	}
	loss := LogSumExp(logits, over, false)
	if o.LabelSmoothing > 0 {
		smoothed := Multiply(Negative(Mean(logits, over, false)), o.LabelSmoothing)
		loss = Add(Subtract(loss, Multiply(1-o.LabelSmoothing, score)), smoothed)
	} else {
		loss = Subtract(loss, score)
	}
	return reduced(op, weighted(op, loss, o.Weights), o.Reduction, ReduceNone)
}

// BinaryCrossEntropyOptions are the settings of BinaryCrossEntropyLoss.
type BinaryCrossEntropyOptions struct {
	Weights       *Array // of the losses before they are joined; nil: ones
	Probabilities bool   // the inputs are not logits: MLX's with_logits=False
	Reduction     Reduction
}

// BinaryCrossEntropyLoss is the loss of logits, or of probabilities, against
// targets in [0, 1] of their shape; by default the mean. Mirrors
// nn.losses.binary_cross_entropy.
func BinaryCrossEntropyLoss(inputs, targets *Array, opt *BinaryCrossEntropyOptions) *Array {
	const op = "BinaryCrossEntropyLoss"
	oneShape(op, inputs, targets)
	o := optionsOr(opt)
	var loss *Array
	if o.Probabilities {
		p, q := Clip(Log(inputs), -100, nil), Clip(Log(Subtract(1, inputs)), -100, nil)
		loss = Negative(Add(Multiply(targets, p), Multiply(Subtract(1, targets), q)))
	} else {
		loss = Subtract(LogAddExp(0.0, inputs), Multiply(inputs, targets))
	}
	return reduced(op, weighted(op, loss, o.Weights), o.Reduction, ReduceMean)
}

// L1Loss is |a-b|; by default the mean. Mirrors nn.losses.l1_loss.
func L1Loss(predictions, targets *Array, r Reduction) *Array {
	oneShape("L1Loss", predictions, targets)
	return reduced("L1Loss", Abs(Subtract(predictions, targets)), r, ReduceMean)
}

// MSELoss is (a-b)²; by default the mean. Mirrors nn.losses.mse_loss.
func MSELoss(predictions, targets *Array, r Reduction) *Array {
	oneShape("MSELoss", predictions, targets)
	return reduced("MSELoss", Square(Subtract(predictions, targets)), r, ReduceMean)
}

// RowLossOptions are the settings of losses along one axis.
type RowLossOptions struct {
	Axis      *int // nil: the last
	Reduction Reduction
}

// NLLLoss is minus the log probability of each target, class indices of inputs'
// shape without the axis; not joined by default. Mirrors nn.losses.nll_loss.
func NLLLoss(inputs, targets *Array, opt *RowLossOptions) *Array {
	o := optionsOr(opt)
	return reduced("NLLLoss", Negative(takeTarget("NLLLoss", inputs, targets, valueOr(o.Axis, -1))), o.Reduction, ReduceNone)
}

// GaussianNLLOptions are the settings of GaussianNLLLoss.
type GaussianNLLOptions struct {
	Full      bool     // with the constant ½ln 2π
	Eps       *float64 // the least variance; nil: 1e-6
	Reduction Reduction
}

// GaussianNLLLoss is the negative log likelihood of targets under means inputs
// and variances vars, all of one shape; by default the mean. Mirrors
// nn.losses.gaussian_nll_loss.
func GaussianNLLLoss(inputs, targets, vars *Array, opt *GaussianNLLOptions) *Array {
	oneShape("GaussianNLLLoss", inputs, targets, vars)
	o := optionsOr(opt)
	vars = Maximum(vars, valueOr(o.Eps, 1e-6))
	loss := Multiply(0.5, Add(Log(vars), Divide(Square(Subtract(targets, inputs)), vars)))
	if o.Full {
		loss = Add(loss, 0.5*math.Log(2*math.Pi))
	}
	return reduced("GaussianNLLLoss", loss, o.Reduction, ReduceMean)
}

// KLDivLoss is Σ e^t·(t-x) along an axis for log probabilities; not joined by
// default. Mirrors nn.losses.kl_div_loss.
func KLDivLoss(inputs, targets *Array, opt *RowLossOptions) *Array {
	present("KLDivLoss", inputs, targets)
	o := optionsOr(opt)
	loss := Sum(Multiply(Exp(targets), Subtract(targets, inputs)), []int{valueOr(o.Axis, -1)}, false)
	return reduced("KLDivLoss", loss, o.Reduction, ReduceNone)
}

// SmoothL1Options are the settings of SmoothL1Loss.
type SmoothL1Options struct {
	Beta      *float64 // nil: 1
	Reduction Reduction
}

// SmoothL1Loss is quadratic within beta of the target and linear outside; by
// default the mean. Mirrors nn.losses.smooth_l1_loss.
func SmoothL1Loss(predictions, targets *Array, opt *SmoothL1Options) *Array {
	oneShape("SmoothL1Loss", predictions, targets)
	o := optionsOr(opt)
	beta, d := valueOr(o.Beta, 1), Abs(Subtract(predictions, targets))
	loss := Where(Less(d, beta), Divide(Multiply(0.5, Square(d)), beta), Subtract(Abs(d), 0.5*beta))
	return reduced("SmoothL1Loss", loss, o.Reduction, ReduceMean)
}

// HuberOptions are the settings of HuberLoss.
type HuberOptions struct {
	Delta     *float64 // nil: 1
	Reduction Reduction
}

// HuberLoss is SmoothL1Loss times delta; not joined by default. Mirrors
// nn.losses.huber_loss.
func HuberLoss(inputs, targets *Array, opt *HuberOptions) *Array {
	present("HuberLoss", inputs, targets)
	o := optionsOr(opt)
	delta, d := valueOr(o.Delta, 1), Abs(Subtract(inputs, targets))
	quadratic := Minimum(d, delta)
	loss := Add(Multiply(0.5, Power(quadratic, 2)), Multiply(delta, Subtract(d, quadratic)))
	return reduced("HuberLoss", loss, o.Reduction, ReduceNone)
}

// TripletOptions are the settings of TripletLoss.
type TripletOptions struct {
	Axis      *int     // nil: the last
	P         *float64 // of the p-norm; nil: 2
	Margin    *float64 // nil: 1
	Eps       *float64 // added to sums of powers; nil: 1e-6
	Reduction Reduction
}

// TripletLoss wants anchors nearer to positives than to negatives by a margin, in
// a p-norm along an axis; not joined by default. Mirrors nn.losses.triplet_loss.
func TripletLoss(anchors, positives, negatives *Array, opt *TripletOptions) *Array {
	present("TripletLoss", anchors, positives, negatives)
	o := optionsOr(opt)
	axis, p := []int{valueOr(o.Axis, -1)}, valueOr(o.P, 2)
	distance := func(b *Array) *Array {
		return Power(Add(Sum(Power(Abs(Subtract(anchors, b)), p), axis, false), valueOr(o.Eps, 1e-6)), 1/p)
	}
	loss := Maximum(Add(Subtract(distance(positives), distance(negatives)), valueOr(o.Margin, 1)), 0)
	return reduced("TripletLoss", loss, o.Reduction, ReduceNone)
}

// HingeLoss is max(1-x·t, 0); not joined by default. Mirrors
// nn.losses.hinge_loss.
func HingeLoss(inputs, targets *Array, r Reduction) *Array {
	present("HingeLoss", inputs, targets)
	return reduced("HingeLoss", Maximum(Subtract(1, Multiply(inputs, targets)), 0), r, ReduceNone)
}

// LogCoshLoss is ln cosh(a-b); not joined by default. Mirrors
// nn.losses.log_cosh_loss.
func LogCoshLoss(inputs, targets *Array, r Reduction) *Array {
	present("LogCoshLoss", inputs, targets)
	e := Subtract(inputs, targets)
	return reduced("LogCoshLoss", Subtract(LogAddExp(e, Negative(e)), math.Ln2), r, ReduceNone)
}

// L2Norm is the Euclidean norm along axes (nil: all); Norm has others.
func L2Norm(a *Array, axes []int, keepDims bool) *Array {
	return Sqrt(Sum(Square(a), axes, keepDims))
}

// CosineSimilarityOptions are the settings of CosineSimilarityLoss.
type CosineSimilarityOptions struct {
	Axis      *int     // nil: 1
	Eps       *float64 // the least product of norms; nil: 1e-8
	Reduction Reduction
}

// CosineSimilarityLoss is the cosine of the angle between rows along an axis; not
// joined by default. Mirrors nn.losses.cosine_similarity_loss.
func CosineSimilarityLoss(a, b *Array, opt *CosineSimilarityOptions) *Array {
	present("CosineSimilarityLoss", a, b)
	o := optionsOr(opt)
	over := []int{valueOr(o.Axis, 1)}
	norms := Multiply(L2Norm(a, over, false), L2Norm(b, over, false))
	loss := Divide(Sum(Multiply(a, b), over, false), Maximum(norms, valueOr(o.Eps, 1e-8)))
	return reduced("CosineSimilarityLoss", loss, o.Reduction, ReduceNone)
}

// MarginRankingOptions are the settings of MarginRankingLoss.
type MarginRankingOptions struct {
	Margin    float64
	Reduction Reduction
}

// MarginRankingLoss is max(0, -t·(a-b) + margin), of operands of one shape; not
// joined by default. Mirrors nn.losses.margin_ranking_loss.
func MarginRankingLoss(a, b, targets *Array, opt *MarginRankingOptions) *Array {
	oneShape("MarginRankingLoss", a, b, targets)
	o := optionsOr(opt)
	loss := Maximum(0, Add(Multiply(Negative(targets), Subtract(a, b)), o.Margin))
	return reduced("MarginRankingLoss", loss, o.Reduction, ReduceNone)
}
