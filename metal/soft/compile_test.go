package soft_test

import (
	"testing"

	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/metal/check"
	"github.com/ftmetal/ftmetal/metal/null"
	"github.com/ftmetal/ftmetal/metal/soft"
	"github.com/stretchr/testify/require"
)

// tripled is a kernel that a program might bring along, as a dispatch of n
// elements.
func tripled(in, out metal.View, n int) metal.Dispatch {
	src := &metal.Source{Name: "custom_tripled", Text: `#include "kernel.h"
struct TripledArgs { float by; };
template <int = 0>
[[kernel]] void tripled(
    device const float* x [[buffer(0)]], device float* out [[buffer(1)]], constant TripledArgs& args [[buffer(2)]],
    uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  float v = simd_broadcast_first(args.by);
  out[i] = x[i] * v + 0.0f * float(lane);
}
instantiate_kernel("custom_tripled", tripled, 0)
`}
	return metal.Dispatch{Kernel: src.Name, Source: src, In: []metal.View{in}, Out: []metal.View{out}, Args: bytesOf(scaleArgs{3}), Grid: x(n), Group: x(32)}
}

// TestSource compiles a kernel, and checks it as any other.
func TestSource(t *testing.T) {
	for _, opt := range []soft.Options{{}, {Workers: 3, Shuffle: 5, Guard: true}} {
		d := open(t, opt)
		in := normal(100, 1)
		src, dst := view(t, d, in), view(t, d, make([]float32, 100))
		run(t, d, tripled(src, dst, 100))
		for i, v := range as[float32](dst) {
			require.Equal(t, 3*in[i], v)
		}
		op := tripled(src, dst, 100)
		op.Args = nil
		_, err := d.Prepare([]metal.Dispatch{op})
		require.ErrorContains(t, err, "custom_tripled: args are 0 bytes, the kernel's struct is 4")
		op = tripled(src, dst, 100)
		op.Source = &metal.Source{Name: "custom_other", Text: op.Source.Text}
		_, err = d.Prepare([]metal.Dispatch{op})
		require.ErrorContains(t, err, "the source instantiates custom_tripled, want custom_other")
		op.Source = &metal.Source{Name: "custom_tripled", Text: "#include \"kernel.h\"\n#line 7 \"mine\"\nno kernel"}
		_, err = d.Prepare([]metal.Dispatch{op})
		require.ErrorContains(t, err, "mine:7:1: error")
	}
}

// TestSourceElsewhere has the devices that wrap another, or run nothing, take
// the same list.
func TestSourceElsewhere(t *testing.T) {
	both, err := check.New(soft.New(soft.Options{Native: true}), soft.New(soft.Options{}))
	require.NoError(t, err)
	defer both.Close()
	for _, d := range []metal.Device{both, null.New()} {
		in, err := d.Alloc(400)
		require.NoError(t, err)
		out, err := d.Alloc(400)
		require.NoError(t, err)
		require.NoError(t, metal.Run(t.Context(), d, []metal.Dispatch{tripled(metal.View{Buf: in, Len: 400}, metal.View{Buf: out, Len: 400}, 100)}))
	}
}
