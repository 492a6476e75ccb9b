package train

import (
	"fmt"
	"math"
)

// Schedule is the learning rate of each update, numbered from 0.
type Schedule func(update int) float64

// ScheduleOptions describes a schedule: a linear warm-up to LR, then a course.
type ScheduleOptions struct {
	Name       string  // constant, linear or cosine
	LR         float64 // the peak
	Warmup     int     // updates from WarmupInit to LR
	WarmupInit float64
	Updates    int     // of the whole run
	End        float64 // final rate of linear and cosine
}

// NewSchedule builds the schedule. linear and cosine reach End at the last
// update of the run.
func NewSchedule(opt ScheduleOptions) (Schedule, error) {
	span := max(opt.Updates-opt.Warmup-1, 1)
	var after func(i int) float64
	switch opt.Name {
	case "", "constant":
		after = func(int) float64 { return opt.LR }
	case "linear":
		after = func(i int) float64 { return opt.LR + (opt.End-opt.LR)*min(float64(i)/float64(span), 1) }
	case "cosine":
		after = func(i int) float64 {
			return opt.End + (opt.LR-opt.End)*0.5*(1+math.Cos(math.Pi*min(float64(i)/float64(span), 1)))
		}
	default:
		return nil, fmt.Errorf("train: lr_schedule %q is not known (there are: constant, linear, cosine)", opt.Name)
	}
	return func(update int) float64 {
		if update < opt.Warmup {
			return opt.WarmupInit + (opt.LR-opt.WarmupInit)*float64(update+1)/float64(opt.Warmup)
		}
		return after(update - opt.Warmup)
	}, nil
}

// MLXSchedule is mlx-lm's lr_schedule: a scheduler of mlx.optimizers by name
// with its positional arguments, after an optional warm-up.
func MLXSchedule(name string, arguments []float64, warmup int, warmupInit float64) (Schedule, error) {
	arg := func(i int, fallback float64) float64 {
		if i < len(arguments) {
			return arguments[i]
		}
		return fallback
	}
	need := map[string]int{"cosine_decay": 2, "linear_schedule": 3, "exponential_decay": 2, "step_decay": 3}
	n, ok := need[name]
	if !ok {
		return nil, fmt.Errorf("train: lr_schedule.name %q is not known (there are: cosine_decay, exponential_decay, linear_schedule, step_decay)", name)
	}
	if len(arguments) < n {
		return nil, fmt.Errorf("train: lr_schedule %s needs %d arguments, got %d", name, n, len(arguments))
	}
	var base Schedule
	switch name {
	case "cosine_decay":
		base = func(i int) float64 {
			end, steps := arg(2, 0), arguments[1]
			s := math.Min(float64(i), steps)
			return end + 0.5*(1+math.Cos(math.Pi*s/steps))*(arguments[0]-end)
		}
	case "linear_schedule":
		base = linearSchedule(arguments[0], arguments[1], arguments[2])
	case "exponential_decay":
		base = func(i int) float64 { return arguments[0] * math.Pow(arguments[1], float64(i)) }
	case "step_decay":
		base = func(i int) float64 { return arguments[0] * math.Pow(arguments[1], math.Floor(float64(i)/arguments[2])) }
	}
	if warmup <= 0 {
		return base, nil
	}
	warm := linearSchedule(warmupInit, arguments[0], float64(warmup))
	return func(i int) float64 {
		if i < warmup+1 {
			return warm(i)
		}
		return base(i - warmup - 1)
	}, nil
}

func linearSchedule(from, to, steps float64) Schedule {
	return func(i int) float64 { return from + math.Min(float64(i), steps)*(to-from)/steps }
}
