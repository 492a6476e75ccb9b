//go:build metalfake

package darwin_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/ftmetal/ftmetal/kernels"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// list is an Emitter.
type list []metal.Dispatch

func (l *list) Emit(d metal.Dispatch)      { *l = append(*l, d) }
func (l *list) Scratch(n int64) metal.View { panic("no scratch") }

// vectors are n float32 vectors of the given length in one buffer, the first one
// full of ones.
func vectors(t testing.TB, d metal.Device, n, length int) []kernels.Tensor {
	size := int64(4 * length)
	b, err := d.Alloc(int64(n) * size)
	require.NoError(t, err)
	all := make([]kernels.Tensor, n)
	for i := range all {
		all[i] = kernels.Contig(metal.View{Buf: b, Off: int64(i) * size, Len: size}, metal.Float32, length)
	}
	for i := range length {
		put(all[0], i, 1)
	}
	return all
}

func put(x kernels.Tensor, i int, v float32) {
	binary.NativeEndian.PutUint32(x.View.Bytes()[4*i:], math.Float32bits(v))
}

func get(x kernels.Tensor, i int) float32 {
	return math.Float32frombits(binary.NativeEndian.Uint32(x.View.Bytes()[4*i:]))
}

// chain doubles each vector into the next: a dispatch for each but the first.
func chain(v []kernels.Tensor) list {
	var l list
	for i := range v[1:] {
		kernels.Binary(&l, kernels.Add, v[i], v[i], v[i+1])
	}
	return l
}
