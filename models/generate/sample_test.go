package generate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGreedyPicksTheLargestLogit(t *testing.T) {
	require.Equal(t, int32(2), Sampler{}.Pick([]float32{0, -1, 3, 3, 2}, nil))
}

// TestSamplingFollowsTheDistribution draws often and compares frequencies with
// softmax(logits/temp) by a chi-squared bound.
func TestSamplingFollowsTheDistribution(t *testing.T) {
	logits := []float32{0.5, -1, 2, 1}
	const n, temp = 200000, 0.7
	want, sum := make([]float64, 4), 0.0
	for i, l := range logits {
		want[i] = math.Exp(float64(l) / temp)
		sum += want[i]
	}
	rng := rand.New(rand.NewPCG(1, 2))
	got := make([]float64, 4)
	for range n {
		got[Sampler{Temp: temp}.Pick(logits, rng)]++
	}
	chi := 0.0
	for i := range want {
		e := want[i] / sum * n
		chi += (got[i] - e) * (got[i] - e) / e
	}
	require.Less(t, chi, 16.27, "3 degrees of freedom at p = 0.001: %v", got)
}

func TestFiltersKeepTheMostLikely(t *testing.T) {
	logits := []float32{float32(math.Log(0.1)), float32(math.Log(0.4)), float32(math.Log(0.3)), float32(math.Log(0.2))}
	ids := func(s Sampler) (out []int32) {
		for _, c := range s.filter(logits, logits[1]) {
			out = append(out, c.id)
		}
		return out
	}
	require.Equal(t, []int32{1, 2}, ids(Sampler{TopK: 2}))
	require.Equal(t, []int32{1, 2}, ids(Sampler{TopP: 0.7}))
	require.Equal(t, []int32{1, 2, 3}, ids(Sampler{TopP: 0.71}))
	require.Equal(t, []int32{1, 2, 3}, ids(Sampler{MinP: 0.49}))
	require.Equal(t, []int32{1}, ids(Sampler{TopK: 1, TopP: 0.9}))
}

func TestValidateNamesTheValue(t *testing.T) {
	require.NoError(t, Sampler{Temp: 0.7, TopP: 0.9, TopK: 40, MinP: 0.05}.Validate())
	require.EqualError(t, Sampler{TopP: 1.5}.Validate(), "top_p is 1.5, want 0 to 1")
	require.EqualError(t, Sampler{Temp: math.NaN()}.Validate(), "temp is NaN, want a number of at least 0")
}
