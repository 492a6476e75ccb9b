package nn

import (
	"slices"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn/inits"
)

// affine is a norm's scale and shift: Weight·x + Bias, or x without them.
func affine(x *graph.Array, weight, bias *Param) *graph.Array {
	if weight == nil {
		return x
	}
	return graph.Add(graph.Multiply(weight.array(), x), bias.array())
}

// zeros fills biases.
func zeros() inits.Initializer { return inits.Constant(0, metal.Float32) }

// RMSNorm scales rows to unit root mean square, then by Weight [n]. Mirrors
// nn.RMSNorm.
type RMSNorm struct {
	Weight *Param
	Eps    float64
}

// NewRMSNorm is a norm of the last axis, of n elements. MLX's eps is 1e-5.
func NewRMSNorm(n int, eps float64) *RMSNorm { return &RMSNorm{newParam(ones(), n), eps} }

// Forward normalises the last axis of x.
func (n *RMSNorm) Forward(x *graph.Array) *graph.Array {
	return graph.RMSNorm(x, n.Weight.array(), n.Eps)
}

// LayerNorm scales rows to mean 0 and variance 1, then by Weight, plus Bias.
// Mirrors nn.LayerNorm.
type LayerNorm struct {
	Weight *Param // [n] or nil
	Bias   *Param // [n] or nil
	Eps    float64
}

// NewLayerNorm is a norm of the last axis, of n elements, with weight and bias;
// set them to nil to do without. MLX's eps is 1e-5.
func NewLayerNorm(n int, eps float64) *LayerNorm {
	return &LayerNorm{newParam(ones(), n), newParam(zeros(), n), eps}
}

// Forward normalises the last axis of x.
func (n *LayerNorm) Forward(x *graph.Array) *graph.Array {
	return graph.LayerNorm(x, n.Weight.array(), n.Bias.array(), n.Eps)
}

// GroupNorm normalises groups of channels, the last axis, over everything else
// of an example. Mirrors nn.GroupNorm.
type GroupNorm struct {
	Bias   *Param // [dims] or nil with Weight
	Weight *Param // [dims] or nil with Bias
	Groups int
	Eps    float64
	// PyTorchCompatible makes groups of neighbouring channels; otherwise channel
	// c is in group c mod Groups.
	PyTorchCompatible bool
}

// NewGroupNorm is a norm of dims channels with weight and bias; set them to nil
// to do without. MLX's eps is 1e-5.
func NewGroupNorm(groups, dims int, eps float64) *GroupNorm {
	graph.Check(groups > 0 && dims > 0 && dims%groups == 0, "nn.GroupNorm", "%d groups do not divide %d channels", groups, dims)
	return &GroupNorm{Bias: newParam(zeros(), dims), Weight: newParam(ones(), dims), Groups: groups, Eps: eps}
}

// Forward normalises x [B,...,dims].
func (n *GroupNorm) Forward(x *graph.Array) *graph.Array {
	graph.Check(x.NDim() >= 2 && x.Dim(-1)%n.Groups == 0, "nn.GroupNorm", "input is %v, want [B ... dims] with dims a multiple of %d", x, n.Groups)
	shape := x.Shape()
	batch, size := shape[0], x.Dim(-1)/n.Groups
	if n.PyTorchCompatible {
		y := graph.Transpose(graph.Reshape(x, batch, -1, n.Groups, size), 0, 2, 1, 3)
		y = graph.LayerNorm(graph.Reshape(y, batch, n.Groups, -1), nil, nil, n.Eps)
		y = graph.Transpose(graph.Reshape(y, batch, n.Groups, -1, size), 0, 2, 1, 3)
		return affine(graph.Reshape(y, shape...), n.Weight, n.Bias)
	}
	y := graph.Reshape(x, batch, -1, n.Groups)
	return affine(graph.Reshape(standardized(y, []int{1}, n.Eps), shape...), n.Weight, n.Bias)
}

// standardized is x with mean 0 and variance 1 over axes.
func standardized(x *graph.Array, axes []int, eps float64) *graph.Array {
	mean, variance := graph.Mean(x, axes, true), graph.Var(x, axes, true, 0)
	return graph.Multiply(graph.Subtract(x, mean), graph.Rsqrt(graph.Add(variance, eps)))
}

// InstanceNorm normalises every channel of every example over its positions.
// Mirrors nn.InstanceNorm.
type InstanceNorm struct {
	Weight *Param // [dims] or nil with Bias
	Bias   *Param // [dims] or nil with Weight
	Dims   int
	Eps    float64
}

// NewInstanceNorm is a norm of dims channels; affine adds weight and bias. MLX's
// eps is 1e-5.
func NewInstanceNorm(dims int, eps float64, affine bool) *InstanceNorm {
	return &InstanceNorm{optionalParam(affine, ones(), dims), optionalParam(affine, zeros(), dims), dims, eps}
}

// Forward normalises x [B,...,dims].
func (n *InstanceNorm) Forward(x *graph.Array) *graph.Array {
	graph.Check(x.NDim() >= 3 && x.Dim(-1) == n.Dims, "nn.InstanceNorm", "input is %v, want at least [B T %d]", x, n.Dims)
	shape, batch := x.Shape(), x.Dim(0)
	y := graph.SwapAxes(graph.Reshape(x, batch, -1, n.Dims), 1, 2)
	y = graph.LayerNorm(y, nil, nil, n.Eps)
	return affine(graph.Reshape(graph.SwapAxes(y, 1, 2), shape...), n.Weight, n.Bias)
}

// BatchNorm normalises every channel, the last axis, over the batch while
// training, and by running statistics otherwise. Mirrors nn.BatchNorm.
type BatchNorm struct {
	Weight      *Param // [features] or nil with Bias
	Bias        *Param // [features] or nil with Weight
	RunningMean *Param // [features]; nil with RunningVar to use the batch's always
	RunningVar  *Param
	Features    int
	Eps         float64
	Momentum    float64 // share of the batch in the running statistics
	training    bool
}

// NewBatchNorm is a norm in training mode with weight, bias and running
// statistics; set them to nil in pairs to do without. MLX's eps is 1e-5, its
// momentum 0.1.
func NewBatchNorm(features int, eps, momentum float64) *BatchNorm {
	n := &BatchNorm{newParam(ones(), features), newParam(zeros(), features), newParam(zeros(), features), newParam(ones(), features),
		features, eps, momentum, true}
	n.RunningMean.Buffer, n.RunningVar.Buffer = true, true
	return n
}

// SetTraining says whether Forward uses and follows the batch's statistics.
func (n *BatchNorm) SetTraining(training bool) { n.training = training }

// Forward normalises x [B,features], [B,T,features] or [B,H,W,features].
func (n *BatchNorm) Forward(x *graph.Array) *graph.Array {
	graph.Check(x.NDim() >= 2 && x.NDim() <= 4 && x.Dim(-1) == n.Features, "nn.BatchNorm", "input is %v, want 2 to 4 axes, the last of %d", x, n.Features)
	graph.Check(!n.training || x.Size() > n.Features, "nn.BatchNorm", "input is %v: training needs more than one value per channel", x)
	axes := []int{0, 1, 2}[:x.NDim()-1]
	tracked := n.RunningMean != nil
	var mean, variance *graph.Array
	if n.training || !tracked {
		mean, variance = graph.Mean(x, axes, false), graph.Var(x, axes, false, 0)
	} else {
		mean, variance = n.RunningMean.array(), n.RunningVar.array()
	}
	if n.training && tracked {
		follow := func(p *Param, now *graph.Array) {
			p.Array = graph.Add(graph.Multiply(1-n.Momentum, p.array()), graph.Multiply(n.Momentum, now))
		}
		follow(n.RunningMean, mean)
		follow(n.RunningVar, graph.Var(x, slices.Clone(axes), false, 1))
	}
	y := graph.Multiply(graph.Subtract(x, mean), graph.Rsqrt(graph.Add(variance, n.Eps)))
	return affine(y, n.Weight, n.Bias)
}
