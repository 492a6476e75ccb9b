package graphtest

import (
	"maps"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/models/nn"
)

// layerOps are the layers of models/nn, with the parameters of the call.
var layerOps = func() map[string]*opEntry {
	table := map[string]*opEntry{
		"nn.Linear": general(composed, "x weight bias", func(c *call) *graph.Array {
			w := c.array("weight")
			l := nn.NewLinear(w.Dim(1), w.Dim(0), c.has("bias"))
			c.load(l.Weight, "weight")
			c.load(l.Bias, "bias")
			return l.Forward(c.array("x"))
		}),
		"nn.Bilinear": general(composed, "x1 x2 weight bias", func(c *call) *graph.Array {
			w := c.array("weight")
			l := nn.NewBilinear(w.Dim(2), w.Dim(1), w.Dim(0), c.has("bias"))
			c.load(l.Weight, "weight")
			c.load(l.Bias, "bias")
			return l.Forward(c.array("x1"), c.array("x2"))
		}),
		"nn.Identity": general(exact, "x", func(c *call) *graph.Array { return nn.Identity{}.Forward(c.array("x")) }),
		"nn.Embedding": general(composed, "ids weight as_linear", func(c *call) *graph.Array {
			w := c.array("weight")
			l := nn.NewEmbedding(w.Dim(0), w.Dim(1))
			c.load(l.Weight, "weight")
			if c.flag("as_linear", false) {
				return l.AsLinear(c.array("ids"))
			}
			return l.Forward(c.array("ids"))
		}),
		"nn.RoPE": general(composed, "x dims traditional base scale offset", func(c *call) *graph.Array {
			l := nn.NewRoPE(c.integer("dims", 0))
			l.Traditional, l.Base, l.Scale = c.flag("traditional", false), c.number("base", l.Base), c.number("scale", l.Scale)
			return l.Forward(c.array("x"), c.integer("offset", 0))
		}),
		"nn.ALiBi": general(composed, "x offset mask", func(c *call) *graph.Array {
			return nn.ALiBi{}.Forward(c.array("x"), c.integer("offset", 0), c.optional("mask"))
		}),
		"nn.SinusoidalPositionalEncoding": general(composed, "x dims min_freq max_freq scale cos_first full_turns", func(c *call) *graph.Array {
			l := nn.NewSinusoidalPositionalEncoding(c.integer("dims", 0))
			l.MinFreq, l.MaxFreq, l.Scale = c.number("min_freq", l.MinFreq), c.number("max_freq", l.MaxFreq), c.number("scale", l.Scale)
			l.CosFirst, l.FullTurns = c.flag("cos_first", false), c.flag("full_turns", false)
			return l.Forward(c.array("x"))
		}),
		"nn.MultiHeadAttention": general(composed, "q k v wq wk wv wo mask num_heads", multiHead),
		"nn.Upsample":           general(composed, "x scale_factor mode align_corners antialias", upsample),
		"nn.prelu":              general(elementwise, "x alpha", func(c *call) *graph.Array { return graph.Prelu(c.array("x"), c.array("alpha")) }),
		"nn.PReLU": general(elementwise, "x weight", func(c *call) *graph.Array {
			l := nn.NewPReLU(c.array("weight").Size(), 0.25)
			c.load(l.Weight, "weight")
			return l.Forward(c.array("x"))
		}),
	}
	for name, fn := range activations {
		table["nn."+name] = arrayOf(composed, "a axis alpha negative_slope lambd min_val max_val threshold", fn)
	}
	maps.Copy(table, normLayers)
	maps.Copy(table, convLayers)
	return table
}()

// load gives a layer's parameter the value of an argument.
func (c *call) load(p *nn.Param, name string) {
	if a := c.optional(name); a != nil {
		p.Array = a
	}
}

var normLayers = map[string]*opEntry{
	"nn.RMSNorm": general(composed, "x weight eps", func(c *call) *graph.Array {
		l := nn.NewRMSNorm(c.array("x").Dim(-1), c.number("eps", 1e-5))
		c.load(l.Weight, "weight")
		return l.Forward(c.array("x"))
	}),
	"nn.LayerNorm": general(composed, "x weight bias eps", func(c *call) *graph.Array {
		l := nn.NewLayerNorm(c.array("x").Dim(-1), c.number("eps", 1e-5))
		c.affine(&l.Weight, &l.Bias)
		return l.Forward(c.array("x"))
	}),
	"nn.GroupNorm": general(composed, "x weight bias eps num_groups pytorch_compatible", func(c *call) *graph.Array {
		l := nn.NewGroupNorm(c.integer("num_groups", 1), c.array("x").Dim(-1), c.number("eps", 1e-5))
		l.PyTorchCompatible = c.flag("pytorch_compatible", false)
		c.affine(&l.Weight, &l.Bias)
		return l.Forward(c.array("x"))
	}),
	"nn.InstanceNorm": general(composed, "x weight bias eps", func(c *call) *graph.Array {
		l := nn.NewInstanceNorm(c.array("x").Dim(-1), c.number("eps", 1e-5), true)
		c.affine(&l.Weight, &l.Bias)
		return l.Forward(c.array("x"))
	}),
	"nn.BatchNorm": general(composed, "x weight bias eps", func(c *call) *graph.Array {
		l := nn.NewBatchNorm(c.array("x").Dim(-1), c.number("eps", 1e-5), 0.1)
		l.RunningMean, l.RunningVar = nil, nil
		c.affine(&l.Weight, &l.Bias)
		return l.Forward(c.array("x"))
	}),
}

// affine loads the parameters that the call has and takes the others away.
func (c *call) affine(weight, bias **nn.Param) {
	for name, p := range map[string]**nn.Param{"weight": weight, "bias": bias} {
		if c.has(name) {
			c.load(*p, name)
		} else {
			*p = nil
		}
	}
}

var convLayers = map[string]*opEntry{
	"nn.Conv1d": convLayer(func(c *call, in, out int, k []int) (nn.Layer, *nn.Conv) {
		l := nn.NewConv1d(in, out, k[0], convOptions(c))
		return l, &l.Conv
	}),
	"nn.Conv2d": convLayer(func(c *call, in, out int, k []int) (nn.Layer, *nn.Conv) {
		l := nn.NewConv2d(in, out, [2]int(k), convOptions(c))
		return l, &l.Conv
	}),
	"nn.Conv3d": convLayer(func(c *call, in, out int, k []int) (nn.Layer, *nn.Conv) {
		l := nn.NewConv3d(in, out, [3]int(k), convOptions(c))
		return l, &l.Conv
	}),
	"nn.ConvTranspose1d": convLayer(func(c *call, in, out int, k []int) (nn.Layer, *nn.Conv) {
		l := nn.NewConvTranspose1d(in, out, k[0], convOptions(c))
		return l, &l.Conv
	}),
	"nn.ConvTranspose2d": convLayer(func(c *call, in, out int, k []int) (nn.Layer, *nn.Conv) {
		l := nn.NewConvTranspose2d(in, out, [2]int(k), convOptions(c))
		return l, &l.Conv
	}),
	"nn.ConvTranspose3d": convLayer(func(c *call, in, out int, k []int) (nn.Layer, *nn.Conv) {
		l := nn.NewConvTranspose3d(in, out, [3]int(k), convOptions(c))
		return l, &l.Conv
	}),
	"nn.MaxPool1d": poolLayer(func(p nn.Pool) nn.Layer { return nn.MaxPool1d{Pool: p} }),
	"nn.MaxPool2d": poolLayer(func(p nn.Pool) nn.Layer { return nn.MaxPool2d{Pool: p} }),
	"nn.MaxPool3d": poolLayer(func(p nn.Pool) nn.Layer { return nn.MaxPool3d{Pool: p} }),
	"nn.AvgPool1d": poolLayer(func(p nn.Pool) nn.Layer { return nn.AvgPool1d{Pool: p} }),
	"nn.AvgPool2d": poolLayer(func(p nn.Pool) nn.Layer { return nn.AvgPool2d{Pool: p} }),
	"nn.AvgPool3d": poolLayer(func(p nn.Pool) nn.Layer { return nn.AvgPool3d{Pool: p} }),
}

func convLayer(build func(c *call, in, out int, kernel []int) (nn.Layer, *nn.Conv)) *opEntry {
	return general(composed, "x weight bias"+convParams, func(c *call) *graph.Array {
		w := c.array("weight").Shape()
		in := c.array("x").Dim(-1)
		if !c.has("groups") { // the recorded calls leave it to the shapes
			c.named["groups"] = in / max(w[len(w)-1], 1)
		}
		l, params := build(c, in, w[0], w[1:len(w)-1])
		c.affine(&params.Weight, &params.Bias)
		return l.Forward(c.array("x"))
	})
}

func poolLayer(build func(nn.Pool) nn.Layer) *opEntry {
	return general(composed, "x kernel_size stride padding", func(c *call) *graph.Array {
		return build(nn.Pool{Kernel: c.ints("kernel_size"), Stride: c.ints("stride"), Padding: c.ints("padding")}).Forward(c.array("x"))
	})
}

func multiHead(c *call) *graph.Array {
	width := func(name string) int { return c.array(name).Dim(1) }
	l := nn.NewMultiHeadAttention(nn.AttentionOptions{Dims: c.array("wq").Dim(0), Heads: c.integer("num_heads", 1), QueryInputDims: width("wq"),
		KeyInputDims: width("wk"), ValueInputDims: width("wv"), ValueDims: c.array("wv").Dim(0), ValueOutputDims: c.array("wo").Dim(0)})
	for name, proj := range map[string]*nn.Linear{"wq": l.QueryProj, "wk": l.KeyProj, "wv": l.ValueProj, "wo": l.OutProj} {
		c.load(proj.Weight, name)
	}
	return l.Forward(c.array("q"), c.array("k"), c.array("v"), c.optional("mask"))
}

func upsample(c *call) *graph.Array {
	u := &nn.Upsample{AlignCorners: c.flag("align_corners", false), AntiAlias: c.flag("antialias", false)}
	u.Mode = map[string]nn.UpsampleMode{"linear": nn.UpsampleLinear, "cubic": nn.UpsampleCubic}[c.text("mode", "nearest")]
	if isList(c.named["scale_factor"]) {
		for _, s := range c.list("scale_factor") {
			one := &call{name: c.name, named: map[string]any{"scale": s}}
			u.Scale = append(u.Scale, one.number("scale", 1))
		}
	} else {
		u.Scale = []float64{c.number("scale_factor", 1)}
	}
	return u.Forward(c.array("x"))
}

// activations are the functions of mlx.nn of one array; those without
// attributes and those that layers give attributes to are the layers.
var activations = map[string]func(c *call, a *graph.Array) *graph.Array{
	"sigmoid": plainLayer(nn.Sigmoid{}), "tanh": plainLayer(nn.Tanh{}), "silu": plainLayer(nn.SiLU{}), "relu": plainLayer(nn.ReLU{}),
	"relu2": plainLayer(nn.ReLU2{}), "relu6": plainLayer(nn.ReLU6{}), "selu": plainLayer(nn.SELU{}), "softplus": plainLayer(nn.Softplus{}),
	"softsign": plainLayer(nn.Softsign{}), "log_sigmoid": plainLayer(nn.LogSigmoid{}), "mish": plainLayer(nn.Mish{}), "hardswish": plainLayer(nn.Hardswish{}),
	"gelu": plainLayer(nn.GELU{}), "gelu_approx": plainLayer(nn.GELU{Form: nn.GELUTanh}), "gelu_fast_approx": plainLayer(nn.GELU{Form: nn.GELUFast}),
	"leaky_relu": func(c *call, a *graph.Array) *graph.Array {
		return nn.LeakyReLU{Slope: c.number("negative_slope", 0.01)}.Forward(a)
	},
	"elu":         func(c *call, a *graph.Array) *graph.Array { return nn.ELU{Alpha: c.number("alpha", 1)}.Forward(a) },
	"celu":        func(c *call, a *graph.Array) *graph.Array { return nn.CELU{Alpha: c.number("alpha", 1)}.Forward(a) },
	"softmax":     func(c *call, a *graph.Array) *graph.Array { return graph.Softmax(a, c.integer("axis", -1)) },
	"softmin":     func(c *call, a *graph.Array) *graph.Array { return graph.Softmin(a, c.integer("axis", -1)) },
	"log_softmax": func(c *call, a *graph.Array) *graph.Array { return graph.LogSoftmax(a, c.integer("axis", -1)) },
	"softshrink": func(c *call, a *graph.Array) *graph.Array {
		return nn.Softshrink{Lambda: c.number("lambd", 0.5)}.Forward(a)
	},
	"hard_shrink": func(c *call, a *graph.Array) *graph.Array {
		return nn.HardShrink{Lambda: c.number("lambd", 0.5)}.Forward(a)
	},
	"hard_tanh": func(c *call, a *graph.Array) *graph.Array {
		return graph.HardTanh(a, c.number("min_val", -1), c.number("max_val", 1))
	},
	"glu": func(c *call, a *graph.Array) *graph.Array { return nn.GLU{Axis: c.integer("axis", -1)}.Forward(a) },
	"step": func(c *call, a *graph.Array) *graph.Array {
		return nn.Step{Threshold: c.number("threshold", 0)}.Forward(a)
	},
}

func plainLayer(l nn.Layer) func(c *call, a *graph.Array) *graph.Array {
	return func(_ *call, a *graph.Array) *graph.Array { return l.Forward(a) }
}
