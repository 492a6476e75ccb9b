package graphtest

import "github.com/ftmetal/ftmetal/graph"

// convOps are convolutions.
var convOps = map[string]*opEntry{
	"mx.conv1d":           convOf(graph.Conv1d),
	"mx.conv2d":           convOf(graph.Conv2d),
	"mx.conv3d":           convOf(graph.Conv3d),
	"mx.conv_transpose1d": convOf(graph.ConvTranspose1d),
	"mx.conv_transpose2d": convOf(graph.ConvTranspose2d),
	"mx.conv_transpose3d": convOf(graph.ConvTranspose3d),
	"mx.conv_general": general(product, "x weight stride padding kernel_dilation input_dilation groups flip", func(c *call) *graph.Array {
		opt := graph.ConvGeneralOptions{Stride: c.ints("stride"), KernelDilation: c.ints("kernel_dilation"), InputDilation: c.ints("input_dilation"),
			Groups: c.integer("groups", 1), Flip: c.flag("flip", false)}
		if sides, ok := c.named["padding"].([]any); ok && len(sides) == 2 && isList(sides[0]) {
			opt.PadLow, opt.PadHigh = intsOf(sides[0], c.name, "padding"), intsOf(sides[1], c.name, "padding")
		} else {
			opt.PadLow = c.ints("padding")
			opt.PadHigh = opt.PadLow
		}
		return graph.ConvGeneral(c.array("x"), c.array("weight"), opt)
	}),
	"mx.convolve": general(product, "a v mode", func(c *call) *graph.Array {
		mode, ok := map[string]graph.ConvolveMode{"full": graph.ConvolveFull, "same": graph.ConvolveSame, "valid": graph.ConvolveValid}[c.text("mode", "full")]
		if !ok {
			unsupported("mode %v", c.named["mode"])
		}
		return graph.Convolve(c.array("a"), c.array("v"), mode)
	}),
}

func isList(v any) bool {
	_, ok := v.([]any)
	return ok
}

// convParams are the arguments that convolutions by number of axes share.
const convParams = " stride padding dilation groups output_padding"

func convOptions(c *call) graph.ConvOptions {
	return graph.ConvOptions{Stride: c.ints("stride"), Padding: c.ints("padding"), Dilation: c.ints("dilation"),
		OutputPadding: c.ints("output_padding"), Groups: c.integer("groups", 1)}
}

func convOf(fn func(x, w *graph.Array, opt graph.ConvOptions) *graph.Array) *opEntry {
	return general(product, "x weight"+convParams, func(c *call) *graph.Array {
		return fn(c.array("x"), c.array("weight"), convOptions(c))
	})
}
