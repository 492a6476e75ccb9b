package graph

import (
	"math/rand/v2"
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// randomProgram makes a dispatch list over random slots: every slot is written
// before it is read, some outputs may take over an input, some slots are
// external.
func randomProgram(rng *rand.Rand, dispatches int) ([]metal.Dispatch, []*slot) {
	var slots []*slot
	var list []metal.Dispatch
	for range dispatches {
		var d metal.Dispatch
		for range rng.IntN(4) {
			if len(slots) == 0 {
				break
			}
			s := slots[rng.IntN(len(slots))]
			v := metal.View{Buf: s, Len: s.size}
			if rng.IntN(4) == 0 && s.size > 1 {
				v.Off = rng.Int64N(s.size)
				v.Len = 1 + rng.Int64N(s.size-v.Off)
			}
			d.In = append(d.In, v)
		}
		for range 1 + rng.IntN(2) {
			s := &slot{id: len(slots), size: 1 + rng.Int64N(2000), first: -1, last: -1}
			if len(d.In) > 0 && rng.IntN(2) == 0 {
				s.size = d.In[0].Len
			}
			if rng.IntN(12) == 0 {
				s.output = 1 + len(slots)
			}
			slots = append(slots, s)
			d.Out = append(d.Out, metal.View{Buf: s, Len: s.size})
			d.InPlace = append(d.InPlace, rng.Uint32N(1<<len(d.In)))
		}
		list = append(list, d)
	}
	return list, slots
}

// simulate runs the list on bytes: each dispatch checks that its inputs still
// hold what was written to them, then writes its outputs. That is a check of
// the layout that shares nothing with the planner.
func simulate(t *testing.T, list []metal.Dispatch, slots []*slot, arena int64) {
	t.Helper()
	memory := make([]int32, arena)
	external := map[*slot][]int32{}
	place := func(s *slot) []int32 {
		r := s.root()
		if r.external() {
			if external[r] == nil {
				external[r] = make([]int32, r.size)
			}
			return external[r][:s.size]
		}
		require.LessOrEqual(t, r.off+r.size, arena, "slot %d lies outside the arena", r.id)
		require.Zero(t, r.off%arenaAlign)
		return memory[r.off : r.off+s.size]
	}
	for i, d := range list {
		for j, v := range d.In {
			s := v.Buf.(*slot)
			for k, got := range place(s)[v.Off : v.Off+v.Len] {
				if got != int32(s.id+1) {
					t.Fatalf("dispatch %d reads input %d (slot %d) at %d, and it was overwritten by slot %d", i, j, s.id, k, got-1)
				}
			}
		}
		for _, v := range d.Out {
			s := v.Buf.(*slot)
			mem := place(s)
			for k := range mem {
				mem[k] = int32(s.id + 1)
			}
		}
	}
	for _, s := range slots {
		if s.output > 0 {
			for _, got := range place(s) {
				if got != int32(s.id+1) {
					t.Fatalf("output slot %d was overwritten by slot %d", s.id, got-1)
				}
			}
		}
	}
}

func TestPlanMemoryKeepsLiveSlotsApart(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		list, slots := randomProgram(rng, 1+rng.IntN(40))
		arena := planMemory(list, slots)
		simulate(t, list, slots, arena)
	}
}

// TestPlanMemoryReuses checks that a chain of equal temporaries needs two of
// them, and one where each dispatch may work in place.
func TestPlanMemoryReuses(t *testing.T) {
	chain := func(inPlace uint32) int64 {
		var list []metal.Dispatch
		slots := []*slot{{id: 0, size: 1000, input: 1, first: -1, last: -1}}
		for i := 1; i <= 10; i++ {
			s := &slot{id: i, size: 1000, first: -1, last: -1}
			list = append(list, metal.Dispatch{In: []metal.View{{Buf: slots[i-1], Len: 1000}}, Out: []metal.View{{Buf: s, Len: 1000}}, InPlace: []uint32{inPlace}})
			slots = append(slots, s)
		}
		return planMemory(list, slots)
	}
	require.Equal(t, int64(2*1024), chain(0))
	require.Equal(t, int64(1024), chain(1))
}

func FuzzPlanMemory(f *testing.F) {
	f.Add(uint64(1), uint8(10))
	f.Add(uint64(7), uint8(60))
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		list, slots := randomProgram(rand.New(rand.NewPCG(seed, 2)), int(n))
		simulate(t, list, slots, planMemory(list, slots))
	})
}
