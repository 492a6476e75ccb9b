package main

import (
	"errors"
	"fmt"

	"github.com/ftmetal/ftmetal/train"
	"github.com/spf13/cobra"
)

func (a *app) fuseCommand() *cobra.Command {
	var opt train.FuseOptions
	var shard string
	cmd := &cobra.Command{
		Use:   "fuse --model DIR --adapter-path DIR --save-path DIR",
		Short: "Merge an adapter into its model",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (opt.Model == "") == (opt.Init == "") {
				return usageError{errors.New("model is missing: give the folder of a model with --model DIR, or the config.json of a new one with --init FILE")}
			}
			if opt.Init != "" && opt.AdapterPath == "" {
				return usageError{errors.New("adapter_path is missing: a new model has no weights but those of --adapter-path DIR")}
			}
			var err error
			if opt.MaxShardBytes, err = train.ParseBytes(shard); err != nil {
				return usageError{fmt.Errorf("--max-shard-size: %w", err)}
			}
			opt.Device = device(cmd)
			r, err := a.fuse(cmd.Context(), opt)
			if err != nil {
				return err
			}
			if r.Quantized > 0 {
				fmt.Fprintf(a.out, "Quantized %d merged weights again: that changed them by %.2g of their size, which is %.2g of what the adapter had changed (--dequantize avoids it)\n",
					r.Quantized, r.Error, r.UpdateError)
			}
			fmt.Fprintln(a.out, "Saved the merged model to "+opt.SavePath)
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&opt.Model, "model", "", "folder of the model")
	f.StringVar(&opt.Init, "init", "", "config.json of a model that was trained with --init, instead of model")
	f.StringVar(&opt.AdapterPath, "adapter-path", "adapters", "folder of the adapter")
	f.StringVar(&opt.SavePath, "save-path", "fused_model", "folder to write")
	f.StringVar(&opt.DType, "dtype", "", "dtype of the merged weights: float32, bfloat16 or float16 (default: the model's)")
	f.BoolVar(&opt.Dequantize, "dequantize", false, "write floats where the model is quantized (otherwise merged weights are quantized again)")
	f.StringVar(&shard, "max-shard-size", "5GB", "size at which weights go into another file")
	return cmd
}
