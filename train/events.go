package train

import "time"

// Event is something that happened in a run; a Reporter shows it.
type Event interface{ event() }

// Started tells what a run is about to do.
type Started struct {
	Device, DeviceReason  string
	Model                 string
	Trainable, Total      int64 // parameters
	Examples, ValExamples int
	Iters, FirstIter      int
	Plan                  PlanReport
	Warnings              []string
	ResumedFrom           string
}

// Progress reports on the micro-batches since the last report.
type Progress struct {
	Iter             int
	Loss             float64 // mean over supervised tokens (mlx-lm: mean of batch means)
	LR, GradNorm     float64
	ItersPerSec      float64
	ProcessedPerSec  float64 // tokens, padding included
	RealPerSec       float64 // tokens without padding
	SupervisedPerSec float64 // tokens that count in the loss
	TrainedTokens    int64
	PeakBytes        int64
	Frozen           FrozenUse // of the cache of frozen layers, validations included
}

// Step follows every micro-batch, for a progress bar.
type Step struct {
	Iter, Iters int
	Loss        float64
	Elapsed     time.Duration
}

// Validated reports a validation or, with Test set, the test.
type Validated struct {
	Iter    int
	Loss    float64
	Took    time.Duration
	Batches int
	Best    bool
	Test    bool
}

// Saved reports a checkpoint or the final adapter.
type Saved struct {
	Iter int
	Path string
}

// Profiled is the time of each kernel over a run, before it finishes.
type Profiled struct {
	Kernels []KernelStat
	Wall    time.Duration // of training and validation steps, Go's part included
}

// Finished ends a run.
type Finished struct {
	Iter        int
	Path        string
	Interrupted bool
	EarlyStop   bool
	Took        time.Duration
}

func (Started) event()   {}
func (Progress) event()  {}
func (Step) event()      {}
func (Validated) event() {}
func (Saved) event()     {}
func (Profiled) event()  {}
func (Finished) event()  {}

// Reporter receives the events of a run in order.
type Reporter func(Event)
