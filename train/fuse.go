package train

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
)

// FuseOptions says how to merge an adapter into its model. Init is the
// config.json of a model that was trained from random weights, instead of Model.
type FuseOptions struct {
	Model, AdapterPath, SavePath string
	Init                         string
	DType                        string // of the merged weights; "" keeps the model's
	Dequantize                   bool   // write floats where the model is quantised
	MaxShardBytes                int64  // 0: 5 GB
	Device                       string
}

// Fuse writes a model folder whose weights are W + scale·(A@B)ᵀ, computed in
// float32 and rounded once, with the other files of the model beside them. Merged
// weights of a quantised model are quantised again in their formats, the others
// stay as they are, unless all are unpacked.
func Fuse(ctx context.Context, opt FuseOptions) (r models.SaveReport, err error) {
	err = graph.Try(func() (err error) { r, err = fuse(ctx, opt); return err })
	return r, err
}

func fuse(ctx context.Context, opt FuseOptions) (r models.SaveReport, err error) {
	rt, err := graph.NewRuntime(opt.Device, 0)
	if err != nil {
		return r, err
	}
	defer rt.Close()
	graph.SetDefault(rt)
	var f *models.Folder
	from := opt.Model
	if opt.Init != "" {
		from = filepath.Dir(opt.Init)
		f, err = models.Random(opt.Init, rt, 0)
	} else {
		f, err = models.Load(opt.Model, rt)
	}
	if err != nil {
		return r, err
	}
	defer f.Close()
	if opt.Dequantize && f.Info.Quantization == nil {
		return r, fmt.Errorf("fuse: model %s is not quantized", opt.Model)
	}
	if opt.AdapterPath != "" {
		if err := LoadAdapter(f.Model, opt.AdapterPath); err != nil {
			return r, err
		}
	}
	save := models.SaveOptions{DType: f.DType, Unpack: opt.Dequantize, Merged: merged, MaxShardBytes: opt.MaxShardBytes}
	if opt.DType != "" {
		if save.DType, err = metal.ParseDType(opt.DType); err != nil {
			return r, err
		}
		if !save.DType.IsFloat() || save.DType == metal.Float64 {
			return r, fmt.Errorf("fuse: dtype %s, want float32, float16 or bfloat16", save.DType)
		}
	}
	if save.MaxShardBytes == 0 {
		save.MaxShardBytes = 5_000_000_000
	}
	if err := os.MkdirAll(opt.SavePath, 0o755); err != nil {
		return r, err
	}
	same, err := sameFolder(from, opt.SavePath)
	if err != nil {
		return r, err
	}
	if same && opt.Init == "" { // its weights are being read
		return r, fmt.Errorf("fuse: save_path %s is the model's own folder", opt.SavePath)
	}
	if r, err = f.Save(ctx, opt.SavePath, save); err != nil {
		return r, err
	}
	return r, models.CopyFiles(from, opt.SavePath, func(config map[string]any) {
		models.SetDType(config, save.DType)
		if opt.Dequantize {
			delete(config, "quantization")
			delete(config, "quantization_config")
		}
	})
}

func sameFolder(a, b string) (bool, error) {
	x, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	y, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(x, y), nil
}

// merged is rows of the weight of a layer with its adapter, and what that adds;
// nil for one without.
func merged(l *nn.Linear) func(first, end int) (weight, update *graph.Array) {
	r := l.LoRA
	if r == nil {
		return nil
	}
	return func(first, end int) (weight, update *graph.Array) {
		b := graph.SliceAxis(asFloat32(r.B.Array), 1, first, end)
		update = graph.Multiply(graph.Transpose(graph.Matmul(asFloat32(r.A.Array), b)), r.Scale)
		return graph.Add(l.DenseRows(metal.Float32, first, end), update), update
	}
}

func asFloat32(a *graph.Array) *graph.Array { return graph.AsType(a, metal.Float32) }
