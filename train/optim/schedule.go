package optim

import (
	"math"

	"github.com/ftmetal/ftmetal/graph"
)

// Schedule is a learning rate for a step: an array of one integer, the number of
// updates so far.
type Schedule func(step *graph.Array) *graph.Array

// ExponentialDecay is init·rateˢ. Mirrors optimizers.exponential_decay.
func ExponentialDecay(init, rate float64) Schedule {
	return func(step *graph.Array) *graph.Array { return graph.Multiply(init, graph.Power(rate, step)) }
}

// StepDecay is init·rateⁿ, where n counts whole periods of size steps. size is
// positive. Mirrors optimizers.step_decay.
func StepDecay(init, rate float64, size int) Schedule {
	positive("optim.StepDecay", "size", size)
	return func(step *graph.Array) *graph.Array {
		return graph.Multiply(init, graph.Power(rate, graph.FloorDivide(step, size)))
	}
}

// CosineDecay goes from init to end along half a cosine in so many steps and
// stays there. steps is positive. Mirrors optimizers.cosine_decay.
func CosineDecay(init float64, steps int, end float64) Schedule {
	positive("optim.CosineDecay", "steps", steps)
	return func(step *graph.Array) *graph.Array {
		angle := graph.Multiply(math.Pi/float64(steps), graph.Minimum(step, steps))
		decay := graph.Multiply(0.5, graph.Add(1.0, graph.Cos(angle)))
		return graph.Add(end, graph.Multiply(decay, init-end))
	}
}

// LinearSchedule goes from init to end in so many equal steps and stays there.
// steps is positive. Mirrors optimizers.linear_schedule.
func LinearSchedule(init, end float64, steps int) Schedule {
	positive("optim.LinearSchedule", "steps", steps)
	return func(step *graph.Array) *graph.Array {
		return graph.Add(graph.Multiply(graph.Minimum(step, steps), (end-init)/float64(steps)), init)
	}
}

// JoinSchedules follows schedules[0] until step boundaries[0], then schedules[1],
// which counts from that boundary, and so on. There is one boundary less than
// schedules. Mirrors optimizers.join_schedules.
func JoinSchedules(schedules []Schedule, boundaries []int) Schedule {
	const op = "optim.JoinSchedules"
	graph.Check(len(schedules) > 0, op, "no schedules, want at least one")
	graph.Check(len(boundaries) == len(schedules)-1, op, "%d boundaries for %d schedules, want %d", len(boundaries), len(schedules), len(schedules)-1)
	for i, s := range schedules {
		graph.Check(s != nil, op, "schedule %d is nil", i)
	}
	return func(step *graph.Array) *graph.Array {
		rate := schedules[0](step)
		for i, b := range boundaries {
			rate = graph.Where(graph.Less(step, b), rate, schedules[i+1](graph.Subtract(step, b)))
		}
		return rate
	}
}

func positive(op, name string, n int) {
	graph.Check(n >= 1, op, "%s is %d, want at least 1", name, n)
}
