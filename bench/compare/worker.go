package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/generate"
	"github.com/ftmetal/ftmetal/train"
)

// shortest is how long a run of a kernel takes at least.
const shortest = 0.05

// serve is our worker: the protocol of bench/peers/worker.py.
func serve(text string) error {
	var p params
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	runtime.GOMAXPROCS(p.Threads)
	var run func() (answer, error)
	err := graph.Try(func() (err error) {
		switch p.Kind {
		case "train":
			run, err = trainWorker(p)
		case "generate":
			run, err = generateWorker(p)
		default:
			run, err = kernelWorker(p)
		}
		return err
	})
	if err != nil {
		return err
	}
	version := runtime.Version()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				version = s.Value[:12] + " " + version
			}
		}
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(answer{Ready: true, Version: version}); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		a, err := run()
		if err != nil {
			return err
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return nil
}

// runtimeWith opens the software device with that many threads.
func runtimeWith(threads int) *graph.Runtime {
	dev := soft.New(soft.Options{Native: true, Workers: threads})
	rt := &graph.Runtime{Device: dev, Pool: metal.NewPool(dev, metal.PoolOptions{})}
	graph.SetDefault(rt)
	return rt
}

var dtypes = map[string]metal.DType{"f32": metal.Float32, "bf16": metal.BFloat16, "f16": metal.Float16}

// kernelWorker runs a compiled function over arrays that stay where they are.
func kernelWorker(p params) (func() (answer, error), error) {
	ctx := context.Background()
	rt := runtimeWith(p.Threads)
	k, err := kernelCase(p)
	if err != nil {
		return nil, err
	}
	args := make([]*graph.Array, len(k.args))
	for i, a := range k.args {
		if err := graph.Eval(ctx, a); err != nil {
			return nil, err
		}
		raw, err := graph.Bytes(ctx, a)
		if err != nil {
			return nil, err
		}
		if args[i], err = graph.NewState(rt, "argument", a.DType(), a.Shape()...); err != nil {
			return nil, err
		}
		if err := graph.WriteStateRaw(args[i], raw); err != nil {
			return nil, err
		}
	}
	f := graph.Compile(k.fn, graph.CompileOptions{ReuseOutputs: true, Donate: k.donate})
	call := func() error {
		_, err := f.Call(ctx, args...)
		return err
	}
	if err := errors.Join(call(), call()); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := call(); err != nil {
		return nil, err
	}
	times := max(1, int(shortest/time.Since(began).Seconds()+0.5))
	return func() (answer, error) {
		began := time.Now()
		for range times {
			if err := call(); err != nil {
				return answer{}, err
			}
		}
		return answer{Seconds: time.Since(began).Seconds() / float64(times)}, nil
	}, nil
}

// kernel is a function to compile, and its arguments.
type kernel struct {
	fn     func([]*graph.Array) []*graph.Array
	args   []*graph.Array
	donate map[int]int
}

func kernelCase(p params) (kernel, error) {
	dt := dtypes[p.DType]
	seed := uint64(0)
	normal := func(shape ...int) *graph.Array {
		seed++
		return graph.Normal(shape, dt, 0, 1, graph.Key(seed))
	}
	only := func(a *graph.Array) []*graph.Array { return []*graph.Array{a} }
	switch p.Kind {
	case "gemm":
		return kernel{fn: func(in []*graph.Array) []*graph.Array { return only(graph.Linear(in[0], in[1], nil)) }, args: []*graph.Array{normal(p.M, p.K), normal(p.N, p.K)}}, nil
	case "attention":
		return attentionCase(p, normal), nil
	case "rms_norm":
		return kernel{fn: func(in []*graph.Array) []*graph.Array { return only(graph.RMSNorm(in[0], in[1], 1e-5)) }, args: []*graph.Array{normal(p.Rows, p.N), normal(p.N)}}, nil
	case "layer_norm":
		return kernel{fn: func(in []*graph.Array) []*graph.Array { return only(graph.LayerNorm(in[0], in[1], in[2], 1e-5)) },
			args: []*graph.Array{normal(p.Rows, p.N), normal(p.N), normal(p.N)}}, nil
	case "softmax":
		return kernel{fn: func(in []*graph.Array) []*graph.Array { return only(graph.Softmax(in[0], -1)) }, args: []*graph.Array{normal(p.Rows, p.N)}}, nil
	case "cross_entropy":
		targets := graph.RandInt(0, p.Vocab, []int{p.T}, metal.Int32, graph.Key(9))
		return kernel{fn: func(in []*graph.Array) []*graph.Array {
			loss := func(h []*graph.Array) []*graph.Array {
				return only(graph.Sum(graph.LinearCrossEntropy(h[0], in[1], in[2]), nil, false))
			}
			outs, grads := graph.ValueAndGrad(loss)(in[:1])
			return append(outs, grads...)
		}, args: []*graph.Array{normal(p.T, p.D), graph.AsType(graph.Multiply(normal(p.Vocab, p.D), 0.02), dt), targets}}, nil
	case "quant_matmul":
		as := graph.Quantization{Bits: p.Bits, GroupSize: p.Group}
		words, scales, biases := graph.Quantize(normal(p.N, p.K), as)
		return kernel{fn: func(in []*graph.Array) []*graph.Array {
			return only(graph.QuantizedMatmul(in[0], in[1], in[2], in[3], true, as))
		}, args: []*graph.Array{normal(p.M, p.K), words, scales, biases}}, nil
	case "adamw":
		opt := kernels.AdamWOptions{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01, BiasCorrection: true, DecayCount: p.N}
		hyper := kernels.Hyper(1e-4, 1, 1, opt)
		zeros := func() *graph.Array { return graph.Zeros([]int{p.N}, metal.Float32) }
		return kernel{fn: func(in []*graph.Array) []*graph.Array {
			return graph.AdamW(in[0], in[1], in[2], in[3], in[4], opt, metal.Float32)
		}, args: []*graph.Array{normal(p.N), zeros(), zeros(), zeros(), graph.FromSlice(hyper[:], len(hyper))}, donate: map[int]int{0: 1, 1: 2, 2: 3}}, nil
	case "read":
		return kernel{fn: func(in []*graph.Array) []*graph.Array { return only(graph.Sum(in[0], nil, false)) }, args: []*graph.Array{graph.Ones([]int{p.N}, metal.Float32)}}, nil
	}
	return kernel{}, fmt.Errorf("there is no case of kind %q", p.Kind)
}

func attentionCase(p params, normal func(...int) *graph.Array) kernel {
	opt := graph.SDPAOptions{Scale: 0.125, Causal: true}
	forward := func(in []*graph.Array) []*graph.Array {
		heads := func(x *graph.Array) *graph.Array { return graph.Transpose(x, 0, 2, 1, 3) }
		return []*graph.Array{graph.ScaledDotProductAttention(heads(in[0]), heads(in[1]), heads(in[2]), opt)}
	}
	k := kernel{fn: forward, args: []*graph.Array{normal(1, p.T, p.Heads, p.Dim), normal(1, p.T, p.KVHeads, p.Dim), normal(1, p.T, p.KVHeads, p.Dim)}}
	if p.Backward {
		k.args = append(k.args, normal(1, p.Heads, p.T, p.Dim))
		k.fn = func(in []*graph.Array) []*graph.Array {
			outs, grads := graph.VJP(forward, in[:3], in[3:])
			return append(outs, grads...)
		}
	}
	return k
}

// trainWorker passes over the data once a run. Its first run is not special: the
// step is planned, and its memory taken, before.
func trainWorker(p params) (func() (answer, error), error) {
	ctx := context.Background()
	cfg := train.DefaultConfig("")
	cfg.Model, cfg.Data, cfg.Rank, cfg.ValSplit, cfg.Device = p.Model, p.Data, p.Rank, 0, "soft"
	cfg.Alpha, cfg.LearningRate, cfg.TrainOnAll = 2*float64(p.Rank), 2e-4, p.Pad == 0
	cfg.MaxSeqLength, cfg.BatchSize = max(p.T, 2048*min(p.Pad, 1)), max(p.Batch, 1)
	cfg.DType = dtypes[p.DType].String()
	b, err := train.OpenBench(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := b.SaveAdapter(p.Adapter); err != nil {
		return nil, err
	}
	speed := func() (float64, error) {
		flops, _, _, err := b.Speeds(ctx)
		runtime.GC() // what it measured with would count as the training's memory
		return flops, err
	}
	return func() (answer, error) {
		before, err := speed()
		if err != nil {
			return answer{}, err
		}
		st, err := b.Run(ctx)
		if err != nil {
			return answer{}, err
		}
		after, err := speed()
		if err != nil {
			return answer{}, err
		}
		seconds := st.Took.Seconds()
		return answer{Seconds: seconds, Tokens: float64(st.Real), Loss: st.Loss,
			GFLOPS: float64(st.FLOPs) / seconds / 1e9, MFU: float64(st.FLOPs) / seconds / max(before, after), Heap: float64(st.HeapBytes) / float64(st.Steps)}, nil
	}, nil
}

func generateWorker(p params) (func() (answer, error), error) {
	ctx := context.Background()
	rt := runtimeWith(p.Threads)
	folder, err := models.Load(p.Model, rt)
	if err != nil {
		return nil, err
	}
	if err := folder.Hold(ctx, dtypes[p.DType]); err != nil {
		return nil, err
	}
	prompt, err := firstRow(p.Data, p.Prompt)
	if err != nil {
		return nil, err
	}
	flops, err := generate.PromptFLOPs(folder.Model, p.Prompt)
	if err != nil {
		return nil, err
	}
	run := func() (answer, error) {
		var ids []int
		st, err := generate.Tokens(ctx, folder.Model, prompt, generate.Options{MaxTokens: p.New + 1}, func(id int32) bool {
			ids = append(ids, int(id))
			return true
		})
		if err != nil {
			return answer{}, err
		}
		return answer{Seconds: st.Time.Seconds() / float64(p.New), Prefill: st.PromptTime.Seconds(), IDs: ids[:min(8, len(ids))],
			Bytes: float64(folder.TokenBytes()), FLOPs: float64(flops)}, nil
	}
	_, err = run()
	return run, err
}

// firstRow is the first n tokens of a file of rows.
func firstRow(path string, n int) ([]int32, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var row struct {
		IDs []int32 `json:"input_ids"`
	}
	if err := json.NewDecoder(f).Decode(&row); err != nil {
		return nil, err
	}
	return row.IDs[:n], nil
}
