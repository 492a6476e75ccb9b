package generate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Sampler picks a token from logits. The zero value is greedy.
type Sampler struct {
	Temp float64 // 0: the most likely token
	TopP float64 // keep the most likely tokens whose probabilities sum to this; 0 or 1: all
	TopK int     // keep this many of the most likely tokens; 0: all
	MinP float64 // keep tokens at least this likely, relative to the most likely one; 0: all
}

// Validate reports values that make no sense.
func (s Sampler) Validate() error {
	switch {
	case !(s.Temp >= 0) || math.IsInf(s.Temp, 0):
		return fmt.Errorf("temp is %v, want a number of at least 0", s.Temp)
	case !(s.TopP >= 0 && s.TopP <= 1):
		return fmt.Errorf("top_p is %v, want 0 to 1", s.TopP)
	case s.TopK < 0:
		return fmt.Errorf("top_k is %d, want at least 0", s.TopK)
	case !(s.MinP >= 0 && s.MinP <= 1):
		return fmt.Errorf("min_p is %v, want 0 to 1", s.MinP)
	}
	return nil
}

// candidate is a token with its probability.
type candidate struct {
	id int32
	p  float64
}

// Pick draws a token id. Among equal logits greedy picks the lowest id.
func (s Sampler) Pick(logits []float32, rng *rand.Rand) int32 {
	best := 0
	for i, l := range logits {
		if l > logits[best] {
			best = i
		}
	}
	if s.Temp == 0 {
		return int32(best)
	}
	kept := s.filter(logits, logits[best])
	sum := 0.0
	for i := range kept {
		kept[i].p = math.Exp(float64(logits[kept[i].id]-logits[best]) / s.Temp)
		sum += kept[i].p
	}
	u := rng.Float64() * sum
	for _, c := range kept {
		if u -= c.p; u < 0 {
			return c.id
		}
	}
	return kept[len(kept)-1].id
}

// filter keeps the tokens that top-k, top-p and min-p allow, most likely first.
// As in mlx-lm, the filters look at the probabilities at temperature 1.
func (s Sampler) filter(logits []float32, top float32) []candidate {
	all := make([]candidate, len(logits))
	sum := 0.0
	for i, l := range logits {
		p := math.Exp(float64(l - top))
		all[i] = candidate{int32(i), p}
		sum += p
	}
	slices.SortFunc(all, func(a, b candidate) int {
		switch {
		case a.p > b.p:
			return -1
		case a.p < b.p:
			return 1
		}
		return int(a.id - b.id)
	})
	if s.TopP > 0 && s.TopP < 1 {
		seen := 0.0
		for i, c := range all {
			seen += c.p / sum
			if seen >= s.TopP {
				all = all[:i+1]
				break
			}
		}
	}
	if s.MinP > 0 {
		n := 0
		for n < len(all) && all[n].p >= s.MinP*all[0].p {
			n++
		}
		all = all[:n]
	}
	if s.TopK > 0 && s.TopK < len(all) {
		all = all[:s.TopK]
	}
	return all
}
