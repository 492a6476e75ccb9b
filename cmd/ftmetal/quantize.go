package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/train"
	"github.com/spf13/cobra"
)

// quantizeModel opens a device for models.Quantize.
func quantizeModel(ctx context.Context, device string, opt models.QuantizeOptions) (r models.SaveReport, err error) {
	rt, err := graph.NewRuntime(device, 0)
	if err != nil {
		return r, err
	}
	defer rt.Close()
	graph.SetDefault(rt)
	return models.Quantize(ctx, rt, opt)
}

func (a *app) quantizeCommand() *cobra.Command {
	var opt models.QuantizeOptions
	var mode, shard string
	cmd := &cobra.Command{
		Use:   "quantize --model DIR --save-path DIR [--bits 4]",
		Short: "Round the weights of a model to few bits, or unpack them",
		Long: `Quantize writes a copy of a model folder with the weights of embeddings and linear
layers rounded to few bits, in MLX's formats: train (with LoRA), eval, generate and
fuse read it, and so does mlx-lm. Groups of weights share a scale; rows that are not
a number of groups stay floats. Weights are read, rounded and written one by one.

  mode     bits                group size    scales
  affine   2, 3, 4, 5, 6, 8    32, 64, 128   scale and bias in the model's dtype
  mxfp4    4                   32            powers of two
  mxfp8    8                   32            powers of two
  nvfp4    4                   16            8-bit floats

A recipe gives most weights few bits and those that matter most more of them.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opt.Model == "" || opt.SavePath == "" {
				return usageError{errors.New("model or save_path is missing: give folders with --model DIR --save-path DIR")}
			}
			if f := cmd.Flags(); opt.Dequantize && (f.Changed("bits") || f.Changed("group-size") || f.Changed("mode") || f.Changed("recipe")) {
				return usageError{errors.New("dequantize goes with none of bits, group_size, mode and recipe")}
			}
			opt.As.Mode = graph.QuantMode(mode)
			if _, err := opt.As.Resolved(); err != nil {
				return usageError{err}
			}
			var err error
			if opt.MaxShardBytes, err = train.ParseBytes(shard); err != nil {
				return usageError{fmt.Errorf("--max-shard-size: %w", err)}
			}
			r, err := a.quantize(cmd.Context(), device(cmd), opt)
			if err != nil {
				return err
			}
			if opt.Dequantize {
				fmt.Fprintf(a.out, "Saved the unpacked model to %s: %s, %.3f bits per weight\n", opt.SavePath, metal.FormatBytes(r.Bytes), r.BitsPerWeight())
				return nil
			}
			fmt.Fprintf(a.out, "Quantized %d weights, which changed them by %.2g of their size\nSaved the model to %s: %s, %.3f bits per weight\n",
				r.Quantized, r.Error, opt.SavePath, metal.FormatBytes(r.Bytes), r.BitsPerWeight())
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&opt.Model, "model", "", "folder of the model (also --hf-path)")
	f.StringVar(&opt.SavePath, "save-path", "", "folder to write, which must not be there (also --mlx-path)")
	f.IntVar(&opt.As.Bits, "bits", 0, "bits of a weight (also --q-bits; default: 4, in mode mxfp8 8)")
	f.IntVar(&opt.As.GroupSize, "group-size", 0, "weights that share a scale (also --q-group-size; default: 64, mxfp4 and mxfp8 32, nvfp4 16)")
	f.StringVar(&mode, "mode", "affine", "affine, mxfp4, mxfp8 or nvfp4 (also --q-mode)")
	f.StringVar(&opt.Recipe, "recipe", "", "mixture of bits instead of --bits: "+strings.Join(models.Recipes(), ", ")+" (also --quant-predicate)")
	f.StringVar(&opt.DType, "dtype", "", "dtype of what stays floats: float32, bfloat16 or float16 (default: torch_dtype of config.json)")
	f.BoolVarP(&opt.Dequantize, "dequantize", "d", false, "unpack a quantized model instead")
	f.StringVar(&shard, "max-shard-size", "5GB", "size at which weights go into another file")
	return cmd
}
