package train

import (
	"context"
	"fmt"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/train/optim"
	"github.com/stretchr/testify/require"
)

// mlx-lm's schedules, which the trainer computes on the host, are those of
// package optim, which follow MLX's values.
func TestMLXSchedulesAreThoseOfOptim(t *testing.T) {
	rt, err := graph.NewRuntime("soft", 0)
	require.NoError(t, err)
	defer rt.Close()
	graph.SetDefault(rt)
	for name, c := range map[string]struct {
		arguments []float64
		schedule  optim.Schedule
	}{
		"cosine_decay":      {[]float64{1e-3, 30, 1e-5}, optim.CosineDecay(1e-3, 30, 1e-5)},
		"linear_schedule":   {[]float64{1e-3, 1e-4, 20}, optim.LinearSchedule(1e-3, 1e-4, 20)},
		"exponential_decay": {[]float64{1e-3, 0.9}, optim.ExponentialDecay(1e-3, 0.9)},
		"step_decay":        {[]float64{1e-3, 0.5, 7}, optim.StepDecay(1e-3, 0.5, 7)},
	} {
		for _, warmup := range []int{0, 5} {
			want := c.schedule
			if warmup > 0 {
				want = optim.JoinSchedules([]optim.Schedule{optim.LinearSchedule(1e-7, 1e-3, warmup), want}, []int{warmup + 1})
			}
			got, err := MLXSchedule(name, c.arguments, warmup, 1e-7)
			require.NoError(t, err)
			for step := range 40 {
				rate, err := graph.Item(context.Background(), want(graph.Scalar(float64(step), metal.Uint64)))
				require.NoError(t, err)
				require.InDelta(t, rate, got(step), 1e-9, fmt.Sprintf("%s with warm-up %d at %d", name, warmup, step))
			}
		}
	}
}
