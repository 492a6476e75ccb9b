package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/models/weights"
	"github.com/ftmetal/ftmetal/train/data"
)

// run is a training run under way.
type run struct {
	cfg     *Config
	s       *session
	step    *Stepper
	lr      Schedule
	state   State
	train   data.Iterator
	valid   func() (data.Iterator, error) // a new pass over the validation rows
	report  Reporter
	window  window
	due     bool // a step was made, so reports and checkpoints may be due
	started time.Time
}

// window sums what happened since the last report.
type window struct {
	began                       time.Time
	micro                       int
	loss, weight                float64 // their quotient is the mean loss
	processed, real, supervised int64
	gradNorm                    float64
}

// Run trains as cfg says and reports on it. When ctx ends, it saves a
// checkpoint and returns ctx's error. Errors leave the files of earlier
// checkpoints as they are.
func Run(ctx context.Context, cfg *Config, report Reporter) error {
	return graph.Try(func() error { return runTraining(ctx, cfg, report) })
}

func runTraining(ctx context.Context, cfg *Config, report Reporter) error {
	s, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.close()
	r := &run{cfg: cfg, s: s, report: report, started: time.Now()}
	err = r.prepare()
	if err == nil {
		err = r.loop(ctx)
	}
	if err == nil && cfg.Test {
		err = r.test(ctx)
	}
	return errors.Join(err, r.step.close())
}

// prepare builds the stepper and, on resume, restores it.
func (r *run) prepare() error {
	cfg, s := r.cfg, r.s
	var err error
	if r.train, err = s.trainIterator(); err != nil {
		return err
	}
	if cfg.Epochs > 0 {
		cfg.Iters = cfg.Epochs * r.train.StepsPerEpoch()
	}
	if r.lr, err = s.schedule(); err != nil {
		return err
	}
	opt, plan, err := s.planned()
	if err != nil {
		return err
	}
	if r.step, err = NewStepper(s.rt, s.folder.Model, s.set, opt); err != nil {
		return err
	}
	if err := r.step.Reserve(plan.ArenaBytes); err != nil {
		return err
	}
	if err := s.openFrozen(r.step); err != nil {
		return err
	}
	if s.frozen > 0 && cfg.CacheFrozen == "memory" && cfg.Iters <= s.layouts[0].Batches() {
		s.warnings = append(s.warnings, fmt.Sprintf("cache_frozen: an epoch has %d batches and the run %d, so no row of training comes twice", s.layouts[0].Batches(), cfg.Iters))
	}
	r.state = State{Version: stateVersion, Seed: cfg.Seed, Fingerprint: s.fingerprint()}
	r.valid = s.validIterator
	resumed, err := r.resume()
	if err != nil {
		return err
	}
	r.report(Started{Device: s.rt.Device.Info().Name, DeviceReason: s.rt.Choice.Reason, Model: s.name(), Trainable: int64(s.set.Size), Total: s.total(),
		Examples: s.train.Len(), ValExamples: s.validLen(), Iters: cfg.Iters, FirstIter: r.state.Iter, Plan: plan, Warnings: s.warnings, ResumedFrom: resumed})
	return nil
}

// resume restores a checkpoint, if one is asked for.
func (r *run) resume() (string, error) {
	dir := r.cfg.Resume
	if dir == "auto" {
		last, err := LastCheckpoint(r.cfg.AdapterPath)
		if err != nil || last == "" {
			return "", err
		}
		dir = last
	}
	if dir == "" {
		return "", nil
	}
	c, err := LoadCheckpoint(dir, r.s.set)
	if err != nil {
		return "", err
	}
	if c.State.Fingerprint != r.state.Fingerprint {
		return "", fmt.Errorf("checkpoint %s was made with other settings: it has %s, this run %s", dir, c.State.Fingerprint, r.state.Fingerprint)
	}
	if err := r.train.Restore(c.State.Train); err != nil {
		return "", fmt.Errorf("checkpoint %s: %w", dir, err)
	}
	if err := r.step.Restore(c.Tensors); err != nil {
		return "", fmt.Errorf("checkpoint %s: %w", dir, err)
	}
	r.state = c.State
	return dir, nil
}

// loop runs micro-batches until the last one, and saves.
func (r *run) loop(ctx context.Context) error {
	cfg := r.cfg
	r.window.began = time.Now()
	r.state.Train = r.train.Cursor()
	if r.state.Iter == 0 && !r.mlx() {
		r.state.EvalDue = true
	}
	for {
		if err := r.afterMicroStep(ctx); err != nil {
			if !errors.Is(err, errEarlyStop) {
				return r.stop(ctx, err)
			}
			if err := r.save(); err != nil {
				return err
			}
			break
		}
		if r.state.Iter >= cfg.Iters {
			if !r.due { // the run that made the last checkpoint may have died before this
				if err := r.publish(); err != nil {
					return err
				}
			}
			break
		}
		if err := r.microStep(ctx); err != nil {
			return r.stop(ctx, err)
		}
	}
	return r.finish(false)
}

// errEarlyStop ends the loop when validation stopped improving.
var errEarlyStop = errors.New("train: early stop")

// microStep trains on one batch, and updates at the end of a window of
// accumulation. Once it changes the state on the device it no longer ends with
// ctx: a state is saved as it is between two steps, or not at all.
func (r *run) microStep(ctx context.Context) error {
	b, err := r.train.Next(ctx)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("train: the data ended before the last iteration")
		}
		return err
	}
	if i := r.state.Iter + 1; r.mlx() && (i == 1 || r.evalDue(i)) {
		// mlx-lm validates between drawing a batch and training on it.
		if _, err := r.validate(ctx); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	first := r.state.PendingMicro == 0
	loss, err := r.step.Accumulate(ctx, b, first, r.s.dropoutKey(r.state.Iter))
	if err != nil {
		return err
	}
	r.state.Iter++
	r.state.PendingMicro++
	r.state.PendingWeight += r.weight(b)
	r.window.add(b, loss, r.weight(b))
	r.state.Tokens += int64(b.SupervisedTokens)
	r.state.Real += int64(b.RealTokens)
	// mlx-lm drops a last window that is not full.
	last := r.state.Iter == r.cfg.Iters && !r.mlx()
	if r.state.PendingMicro == r.cfg.GradAccumulationSteps || last {
		if err := r.update(ctx); err != nil {
			return err
		}
	}
	r.state.Train = r.train.Cursor()
	r.state.EvalDue, r.due = r.evalDue(r.state.Iter) && !r.mlx(), true
	r.report(Step{Iter: r.state.Iter, Iters: r.cfg.Iters, Loss: loss / max(r.weight(b), 1), Elapsed: time.Since(r.started)})
	return nil
}

// mlx reports whether the run follows mlx-lm number for number.
func (r *run) mlx() bool { return r.cfg.Compat == "mlx-lm" }

// weight is what a batch's loss and gradient are divided by: its supervised
// tokens; mlx-lm's are means already.
func (r *run) weight(b *data.Batch) float64 {
	if r.mlx() {
		return 1
	}
	return float64(b.SupervisedTokens)
}

// evalDue reports whether validation belongs to iteration i.
func (r *run) evalDue(i int) bool { return i%r.cfg.StepsPerEval == 0 || i == r.cfg.Iters }

// update applies the gradients accumulated so far.
func (r *run) update(ctx context.Context) error {
	if r.cfg.SaveGradients != "" && r.state.Updates == 0 {
		if err := r.saveGradients(); err != nil {
			return err
		}
	}
	norm, err := r.step.Update(ctx, r.lr(r.state.Updates), r.state.Updates+1, r.state.PendingWeight)
	if err != nil {
		return err
	}
	r.window.gradNorm = norm
	r.state.Updates++
	r.state.PendingMicro, r.state.PendingWeight = 0, 0
	return nil
}

// saveGradients writes the mean gradient of the first update.
func (r *run) saveGradients() error {
	g, err := r.step.Gradients()
	if err != nil {
		return err
	}
	for i := range g {
		g[i] /= float32(max(r.state.PendingWeight, 1))
	}
	return weights.WriteFile(r.cfg.SaveGradients, r.s.set.Tensors(g, false), nil)
}

// afterMicroStep reports, validates and saves when it is time to: after a step,
// or before the first one what a checkpoint left undone.
func (r *run) afterMicroStep(ctx context.Context) error {
	cfg, i := r.cfg, r.state.Iter
	last := i == cfg.Iters
	if r.due && (i%cfg.StepsPerReport == 0 || last) {
		r.reportProgress()
	}
	if r.state.EvalDue {
		stop, err := r.validate(ctx)
		if err != nil {
			return err
		}
		r.state.EvalDue = false
		if stop {
			return errEarlyStop
		}
	}
	if r.due && (i%cfg.SaveEvery == 0 || last) {
		return r.save()
	}
	return nil
}

// add counts a batch.
func (w *window) add(b *data.Batch, loss, weight float64) {
	w.micro++
	w.loss += loss
	w.weight += weight
	w.processed += int64(b.Processed)
	w.real += int64(b.RealTokens)
	w.supervised += int64(b.SupervisedTokens)
}

func (r *run) reportProgress() {
	w := r.window
	secs := time.Since(w.began).Seconds()
	r.report(Progress{Iter: r.state.Iter, Loss: w.loss / max(w.weight, 1), LR: r.lr(max(r.state.Updates-1, 0)), GradNorm: w.gradNorm, ItersPerSec: float64(w.micro) / secs,
		ProcessedPerSec: float64(w.processed) / secs, RealPerSec: float64(w.real) / secs, SupervisedPerSec: float64(w.supervised) / secs,
		TrainedTokens: r.state.Tokens, PeakBytes: r.s.rt.Pool.Usage().Peak, Frozen: r.step.frozenUse()})
	r.window = window{began: time.Now()}
}

// validate measures the loss on the validation rows. stop says that patience
// has run out.
func (r *run) validate(ctx context.Context) (stop bool, err error) {
	if r.s.validLen() == 0 || r.cfg.ValBatches == 0 {
		return false, nil
	}
	it, err := r.valid()
	if err != nil {
		return false, err
	}
	began := time.Now()
	loss, n, err := r.evaluate(ctx, it, r.cfg.ValBatches)
	if err != nil {
		return false, err
	}
	best := r.state.BestVal == nil || loss < *r.state.BestVal
	if best {
		r.state.BestVal, r.state.BestIter, r.state.BadEvals = &loss, r.state.Iter, 0
		if r.state.Iter > 0 {
			err = r.saveAdapter(filepath.Join(r.cfg.AdapterPath, bestFile))
		}
	} else {
		r.state.BadEvals++
	}
	took := time.Since(began)
	r.window.began = r.window.began.Add(took) // validation is not training time
	r.report(Validated{Iter: max(r.state.Iter, 1), Loss: loss, Took: took, Batches: n, Best: best})
	return r.cfg.EarlyStopping > 0 && r.state.BadEvals >= r.cfg.EarlyStopping, err
}

// evaluate is the mean loss per supervised token over at most limit batches
// (limit < 0: all).
func (r *run) evaluate(ctx context.Context, it data.Iterator, limit int) (float64, int, error) {
	return meanLoss(ctx, r.step, it, limit)
}

func meanLoss(ctx context.Context, step *Stepper, it data.Iterator, limit int) (float64, int, error) {
	var loss, tokens float64
	n := 0
	for limit < 0 || n < limit {
		b, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, n, err
		}
		l, err := step.Loss(ctx, b)
		if err != nil {
			return 0, n, err
		}
		if step.opt.MLX {
			l *= float64(b.SupervisedTokens)
		}
		loss += l
		tokens += float64(b.SupervisedTokens)
		n++
	}
	if tokens == 0 {
		return 0, n, errors.New("train: the evaluation rows have no supervised token")
	}
	return loss / tokens, n, nil
}

// test measures the loss on the test rows.
func (r *run) test(ctx context.Context) error {
	it, err := r.s.testIterator(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	loss, n, err := r.evaluate(ctx, it, r.cfg.TestBatches)
	if err != nil {
		return err
	}
	r.report(Validated{Iter: r.state.Iter, Loss: loss, Took: time.Since(began), Batches: n, Test: true})
	return nil
}

// save writes a checkpoint and the adapter at its usual place.
func (r *run) save() error {
	tensors, err := r.step.Snapshot()
	if err != nil {
		return err
	}
	config := AdapterConfig(r.cfg)
	path, err := SaveCheckpoint(r.cfg.AdapterPath, r.s.set, &Checkpoint{r.state, tensors}, config)
	if err != nil {
		return err
	}
	if err := r.publish(); err != nil {
		return err
	}
	r.report(Saved{Iter: r.state.Iter, Path: path})
	return nil
}

// publish writes the adapter at its usual place, and drops what is no longer
// wanted.
func (r *run) publish() error {
	if err := writeBytes(filepath.Join(r.cfg.AdapterPath, configFile), AdapterConfig(r.cfg)); err != nil {
		return err
	}
	if err := r.saveAdapter(filepath.Join(r.cfg.AdapterPath, adapterFile)); err != nil {
		return err
	}
	return pruneCheckpoints(r.cfg.AdapterPath, r.cfg.SaveTotalLimit)
}

func (r *run) saveAdapter(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	values, err := r.step.Params()
	if err != nil {
		return err
	}
	return weights.WriteFile(path, r.s.set.Tensors(values, true), map[string]string{"format": "mlx"})
}

// stop ends the run early: on cancellation it saves first.
func (r *run) stop(ctx context.Context, cause error) error {
	if ctx.Err() == nil || !errors.Is(cause, ctx.Err()) {
		return cause
	}
	if err := r.save(); err != nil {
		return errors.Join(cause, err)
	}
	if err := r.finish(true); err != nil {
		return errors.Join(cause, err)
	}
	return cause
}

func (r *run) finish(interrupted bool) error {
	if r.step.profile != nil {
		r.report(r.step.profile.event())
	}
	r.report(Finished{Iter: r.state.Iter, Path: r.cfg.AdapterPath, Interrupted: interrupted, EarlyStop: !interrupted && r.state.Iter < r.cfg.Iters, Took: time.Since(r.started)})
	return nil
}
