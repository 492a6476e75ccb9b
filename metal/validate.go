package metal

import (
	"fmt"
	"math"
)

// MaxGroup is the most threads of a threadgroup on every Apple GPU.
const MaxGroup = 1024

// MaxArgs is the most bytes of an args struct: Metal's limit for setBytes.
const MaxArgs = 4096

// MaxBuffers is the most bindings of a kernel: Metal's argument table, in which
// the args struct takes one place.
const MaxBuffers = 31

// Signature is what a kernel declares: its buffers in binding order, inputs
// first, then the args struct.
type Signature struct {
	Args    int    // bytes of the args struct
	Align   []int  // alignment of each buffer's elements
	Written []bool // whether the kernel may write each buffer
}

// Check applies to op the rules of Metal's validation layer: number and
// direction of bindings, bytes inside their buffers, alignment, size of the
// args, extents of grid and threadgroup. base is the address of a buffer's first
// byte, or the reason why the device cannot use the buffer.
func (s *Signature) Check(op *Dispatch, base func(Buffer) (uintptr, error)) error {
	if got := len(op.In) + len(op.Out); got != len(s.Align) {
		return fmt.Errorf("%d buffers are bound, the kernel has %d", got, len(s.Align))
	}
	if len(s.Align) >= MaxBuffers {
		return fmt.Errorf("the kernel has %d buffers and its args, at most %d", len(s.Align), MaxBuffers)
	}
	if len(op.Args) != s.Args {
		return fmt.Errorf("args are %d bytes, the kernel's struct is %d", len(op.Args), s.Args)
	}
	if len(op.Args) > MaxArgs {
		return fmt.Errorf("args are %d bytes, at most %d", len(op.Args), MaxArgs)
	}
	for i, align := range s.Align {
		if err := op.At(i).check(align, base); err != nil {
			return fmt.Errorf("buffer %d: %w", i, err)
		}
		in := i < len(op.In)
		if in && s.Written[i] {
			return fmt.Errorf("buffer %d is an input, the kernel declares it as device T*", i)
		}
		if !in && !s.Written[i] {
			return fmt.Errorf("buffer %d is an output, the kernel declares it as device const T*", i)
		}
	}
	return op.checkGrid()
}

// At is the view bound at index i.
func (op *Dispatch) At(i int) View {
	if i < len(op.In) {
		return op.In[i]
	}
	return op.Out[i-len(op.In)]
}

func (v View) check(align int, base func(Buffer) (uintptr, error)) error {
	if v.Buf == nil {
		return fmt.Errorf("nothing is bound")
	}
	at, err := base(v.Buf)
	if err != nil {
		return err
	}
	if v.Off < 0 || v.Len < 0 || v.Off > v.Buf.Len() || v.Len > v.Buf.Len()-v.Off {
		return fmt.Errorf("bytes [%d, %d) are outside the buffer of %d", v.Off, v.Off+v.Len, v.Buf.Len())
	}
	if (at+uintptr(v.Off))%uintptr(align) != 0 {
		return fmt.Errorf("offset %d is not a multiple of the element's %d bytes", v.Off, align)
	}
	return nil
}

func (op *Dispatch) checkGrid() error {
	for _, s := range []struct {
		what string
		size Size
	}{{"grid", op.Grid}, {"threadgroup", op.Group}} {
		for _, n := range []int{s.size.X, s.size.Y, s.size.Z} {
			if n < 1 || n > math.MaxUint32 {
				return fmt.Errorf("%s %d×%d×%d has an extent outside 1…2³²-1", s.what, s.size.X, s.size.Y, s.size.Z)
			}
		}
	}
	g := op.Group
	if g.X > MaxGroup || g.Y > MaxGroup || g.Z > MaxGroup || g.Count() > MaxGroup {
		return fmt.Errorf("threadgroup %d×%d×%d has more than %d threads", g.X, g.Y, g.Z, MaxGroup)
	}
	return nil
}
