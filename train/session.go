package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/train/data"
	"github.com/ftmetal/ftmetal/train/optim"
)

// session holds what a run reads: device, model, data.
type session struct {
	cfg          *Config
	rt           *graph.Runtime
	folder       *models.Folder
	set          *ParamSet
	train, valid *data.Corpus
	random       *data.RandomState // of compat batches
	files        data.Files
	enc          data.Encoder
	compute      metal.DType
	budget       int64
	warnings     []string
	frozen       int            // layers whose outputs are kept; 0: none
	layouts      []*data.Layout // of the corpora that they are kept for
}

// open loads everything, and makes what trains.
func open(ctx context.Context, cfg *Config) (*session, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s, err := openModel(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := s.loadData(ctx); err != nil {
		s.close()
		return nil, err
	}
	if err := s.layOutFrozen(ctx, true); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// openModel opens the device and the model, and makes what trains.
func openModel(ctx context.Context, cfg *Config) (*session, error) {
	if err := cfg.ValidateModel(); err != nil {
		return nil, err
	}
	s := &session{cfg: cfg}
	var err error
	if s.budget, err = ParseBytes(cfg.MemoryLimit); err != nil {
		return nil, err
	}
	if s.rt, err = graph.NewRuntime(cfg.Device, s.budget); err != nil {
		return nil, err
	}
	graph.SetDefault(s.rt)
	if err := s.loadModel(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// loadModel opens the model and makes what trains.
func (s *session) loadModel(ctx context.Context) error {
	var err error
	if s.cfg.Init != "" {
		s.folder, err = models.Random(s.cfg.Init, s.rt, uint64(s.cfg.Seed))
	} else {
		s.folder, err = models.Load(s.cfg.Model, s.rt)
	}
	if err != nil {
		return err
	}
	s.compute = s.folder.DType
	if s.cfg.DType != "" {
		if s.compute, err = metal.ParseDType(s.cfg.DType); err != nil {
			return err
		}
		if err := s.folder.Convert(ctx, s.compute); err != nil {
			return err
		}
	}
	if s.set, err = trainableOf(s.cfg, s.folder.Model); err != nil {
		return err
	}
	if s.set.Size == 0 {
		return fmt.Errorf("train: nothing to train: num_layers is %d and keys are %v", s.cfg.NumLayers, s.cfg.Keys)
	}
	if s.cfg.keepsStates() {
		if s.frozen = s.set.FirstBlock(); s.frozen == 0 {
			return fmt.Errorf("train: cache_frozen is %s, but every layer trains: num_layers is %d and the model has %d layers; train fewer layers, or set cache_frozen off",
				s.cfg.CacheFrozen, s.cfg.NumLayers, s.folder.Model.Blocks())
		}
	}
	if s.cfg.ResumeAdapterFile != "" {
		return s.set.LoadTensors(s.cfg.ResumeAdapterFile, s.set.Values, false)
	}
	return nil
}

// trainableOf makes the adapter or the masters of the weights.
func trainableOf(cfg *Config, m models.Model) (*ParamSet, error) {
	if cfg.FineTuneType == "full" {
		return FullParams(m, cfg.NumLayers)
	}
	keys := cfg.Keys
	if len(keys) == 1 && keys[0] == "all-linear" {
		keys = nil
	}
	return AddLoRA(m, LoRAOptions{Rank: cfg.Rank, Scale: cfg.LoRAScale(), Dropout: cfg.Dropout, Keys: keys,
		NumLayers: cfg.NumLayers, Promote: cfg.Compat == "mlx-lm"}, uint64(cfg.Seed))
}

// loadData reads the training and validation rows.
func (s *session) loadData(ctx context.Context) error {
	cfg := s.cfg
	var err error
	if s.files, err = data.Find(cfg.Data); err != nil {
		return err
	}
	if s.files.Train == "" {
		return fmt.Errorf("data %s has no train.jsonl (also .gz, .zst)", cfg.Data)
	}
	dir := cfg.Model
	if cfg.Init != "" {
		dir = filepath.Dir(cfg.Init)
	}
	if s.enc, err = newEncoder(dir); err != nil {
		return err
	}
	if s.train, err = s.corpus(ctx, s.files.Train); err != nil {
		return err
	}
	if err := s.seedCompat(); err != nil {
		return err
	}
	switch {
	case s.files.Valid != "":
		s.valid, err = s.corpus(ctx, s.files.Valid)
	case cfg.ValSplit > 0 && s.train.Len() >= 20:
		s.train, s.valid, err = s.train.SplitOff(cfg.ValSplit, uint64(cfg.Seed))
	}
	return err
}

// seedCompat starts numpy's generator, which orders mlx-lm's batches.
func (s *session) seedCompat() error {
	if s.cfg.Compat == "" {
		return nil
	}
	seed, err := data.SeedFromInt(int64(s.cfg.Seed))
	s.random = data.NewRandomState(seed)
	return err
}

func (s *session) corpus(ctx context.Context, file string) (*data.Corpus, error) {
	cfg := s.cfg
	opt := data.Options{VocabSize: s.folder.Info.VocabSize,
		Features: data.Features{Prompt: cfg.PromptFeature, Completion: cfg.CompletionFeature, Text: cfg.TextFeature, Chat: cfg.ChatFeature}}
	switch {
	case cfg.TrainOnAll, cfg.Compat != "" && !cfg.MaskPrompt:
		opt.Mask = data.MaskFull
	case cfg.MaskPrompt:
		opt.Mask = data.MaskPrompt
	}
	if cfg.Compat == "" {
		opt.MaxTokens = cfg.MaxSeqLength
		if cfg.Truncate {
			opt.Long = data.LongTruncate
		}
	}
	c, err := data.Load(ctx, file, s.enc, opt)
	if err == nil {
		if n := c.Stats().Truncated; n > 0 {
			s.warnings = append(s.warnings, fmt.Sprintf("%d examples of %s were cut to %d tokens", n, filepath.Base(file), cfg.MaxSeqLength))
		}
	}
	return c, err
}

// iterator makes batches of c: for ever and shuffled to train, one pass in the
// order of the file to evaluate (mlx-lm shuffles there too).
func (s *session) iterator(c *data.Corpus, loop bool) (data.Iterator, error) {
	cfg := s.cfg
	epochs := 1
	if loop {
		epochs = 0
	}
	seed := uint64(cfg.Seed)
	switch {
	case cfg.Compat != "":
		return data.NewCompat(c, s.random, data.CompatConfig{Rows: cfg.BatchSize, MaxSeqLen: cfg.MaxSeqLength, SortByLength: cfg.SortByLength, Loop: loop})
	case cfg.Packing:
		return data.NewPacked(c, data.PackedConfig{Rows: cfg.BatchSize, SeqLen: cfg.MaxSeqLength, Seed: seed, Epochs: epochs, InOrder: !loop})
	}
	return data.NewPadded(c, data.PaddedConfig{Rows: cfg.BatchSize, MaxSeqLen: cfg.MaxSeqLength, Seed: seed, Epochs: epochs, InOrder: !loop})
}

func (s *session) trainIterator() (data.Iterator, error) { return s.iterator(s.train, true) }

func (s *session) validIterator() (data.Iterator, error) { return s.iterator(s.valid, false) }

func (s *session) testIterator(ctx context.Context) (data.Iterator, error) {
	if s.files.Test == "" {
		return nil, fmt.Errorf("data %s has no test.jsonl (also .gz, .zst)", s.cfg.Data)
	}
	c, err := s.corpus(ctx, s.files.Test)
	if err != nil {
		return nil, err
	}
	return s.iterator(c, false)
}

func (s *session) validLen() int {
	if s.valid == nil {
		return 0
	}
	return s.valid.Len()
}

// stepOptions are the options of the compiled step.
func (s *session) stepOptions() (StepOptions, error) {
	cfg := s.cfg
	opt := StepOptions{MaxGradNorm: cfg.MaxGradNorm, Compute: s.compute, Dropout: cfg.Dropout > 0 && cfg.FineTuneType == "lora",
		Padded: !cfg.Packing, Accumulate: cfg.GradAccumulationSteps > 1, Profile: cfg.Profile, MLX: cfg.Compat == "mlx-lm"}
	if cfg.Compat == "mlx-lm" && cfg.FineTuneType == "lora" {
		opt.Compute = metal.Float32 // adapters stay float32; nn.LoRA promotes
	}
	var err error
	opt.Optimizer, err = cfg.optimizer()
	return opt, err
}

// optimizer is the rule that the settings name. Its learning rate comes with every
// update.
func (c *Config) optimizer() (rule optim.Flat, err error) {
	betas := &[2]float64{c.Beta1, c.Beta2}
	err = graph.Catch(func() {
		switch c.Optimizer {
		case "adamw":
			rule = optim.NewAdamW(0, &optim.AdamWOptions{Betas: betas, Eps: &c.Eps, WeightDecay: &c.WeightDecay, BiasCorrection: c.BiasCorrection}).Flat()
		case "adam":
			rule = optim.NewAdam(0, &optim.AdamOptions{Betas: betas, Eps: &c.Eps, BiasCorrection: c.BiasCorrection}).Flat()
		case "muon":
			rule = optim.NewMuon(0, &optim.MuonOptions{Momentum: &c.MuonMomentum, WeightDecay: &c.MuonDecay, Nesterov: &c.MuonNesterov, Steps: &c.MuonSteps}).Flat()
		default:
			rule = optim.NewSGD(0, &optim.SGDOptions{Momentum: c.Momentum}).Flat()
		}
	})
	if fault := new(graph.Error); errors.As(err, &fault) {
		return nil, fmt.Errorf("train: optimizer %s: %s", c.Optimizer, fault.Msg)
	}
	return rule, nil
}

// planned chooses what to recompute and predicts the step.
func (s *session) planned() (StepOptions, PlanReport, error) {
	rows, cols := s.cfg.BatchSize, s.cfg.MaxSeqLength
	if s.cfg.Compat != "" {
		cols--
	}
	opt, err := s.stepOptions()
	if err != nil {
		return opt, PlanReport{}, err
	}
	where, err := s.planFrozen(&opt, rows*cols)
	if err != nil {
		return opt, PlanReport{}, err
	}
	opt, r, err := chooseRecompute(s.rt, s.folder.Model, s.set, opt, rows, cols, s.cfg.GradCheckpoint, s.budget)
	r.Frozen.Where, r.Frozen.Tokens, r.Frozen.Bytes = where.Where, where.Tokens, where.Bytes
	if all := s.rt.Device.Info().MemoryBytes; err == nil && opt.Frozen.Memory > 0 && r.PeakBytes > all {
		err = fmt.Errorf("train: the run needs %s, %s of it for the cache of the frozen layers, and the device has %s: name a file as cache_frozen",
			metal.FormatBytes(r.PeakBytes), metal.FormatBytes(opt.Frozen.Memory), metal.FormatBytes(all))
	}
	return opt, r, err
}

// schedule is the learning rate of each update.
func (s *session) schedule() (Schedule, error) {
	cfg := s.cfg
	if strings.Contains(cfg.Schedule, "_") {
		return MLXSchedule(cfg.Schedule, cfg.ScheduleArguments, cfg.Warmup, cfg.WarmupInit)
	}
	updates := (cfg.Iters + cfg.GradAccumulationSteps - 1) / cfg.GradAccumulationSteps
	warmup := cfg.Warmup
	if warmup == 0 {
		warmup = int(math.Ceil(cfg.WarmupRatio * float64(updates)))
	}
	return NewSchedule(ScheduleOptions{Name: cfg.Schedule, LR: cfg.LearningRate, Warmup: warmup, WarmupInit: cfg.WarmupInit, Updates: updates})
}

// fingerprint names the settings that a resumed run must share with the one
// that made the checkpoint.
func (s *session) fingerprint() string {
	cfg := s.cfg
	settings := map[string]any{"fine_tune_type": cfg.FineTuneType, "optimizer": cfg.Optimizer, "rank": cfg.Rank, "scale": cfg.LoRAScale(),
		"dropout": cfg.Dropout, "keys": cfg.Keys, "num_layers": cfg.NumLayers, "batch_size": cfg.BatchSize, "max_seq_length": cfg.MaxSeqLength,
		"packing": cfg.Packing, "compat": cfg.Compat, "seed": cfg.Seed, "grad_accumulation_steps": cfg.GradAccumulationSteps, "dtype": s.compute.String()}
	if s.frozen > 0 { // where they are kept changes nothing
		settings["cache_frozen"] = true
	}
	b, err := json.Marshal(settings)
	if err != nil {
		panic("train: fingerprint: " + err.Error())
	}
	return string(b)
}

// dropoutKey is the random key of a micro-batch.
func (s *session) dropoutKey(iter int) [2]uint32 {
	return [2]uint32{uint32(s.cfg.Seed), uint32(iter)}
}

func (s *session) name() string {
	if s.cfg.Init != "" {
		return s.cfg.Init
	}
	return s.cfg.Model
}

// total is the number of parameters of the model with its adapter.
func (s *session) total() int64 {
	n := s.folder.Parameters()
	if s.cfg.FineTuneType == "lora" {
		n += int64(s.set.Size)
	}
	return n
}

func (s *session) close() {
	if s.folder != nil {
		s.folder.Close()
	}
	if s.rt != nil {
		s.rt.Close()
	}
}

// exists reports whether a file is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
