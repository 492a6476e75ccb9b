package train

import (
	"encoding/json"
	"fmt"

	"github.com/ftmetal/ftmetal/metal"
)

// slabBytes is the size of the blocks that memory keeps states in: a device has a
// largest buffer.
const slabBytes = 256 << 20

// slabSizes are the blocks for n bytes.
func slabSizes(n int64) []int64 {
	var sizes []int64
	for ; n > 0; n -= slabBytes {
		sizes = append(sizes, min(n, slabBytes))
	}
	return sizes
}

// memoryStore keeps states in device memory, which the host reads and writes.
type memoryStore struct {
	slabs [][]byte
	full  []bool // by example
}

// newMemoryStore takes memory for that many places, bytes in all.
func newMemoryStore(pool *metal.Pool, slots int, bytes int64) (*memoryStore, error) {
	m := &memoryStore{full: make([]bool, slots)}
	for _, n := range slabSizes(bytes) {
		buf, err := pool.Alloc(n, "cache of the frozen layers")
		if err != nil {
			return nil, err
		}
		m.slabs = append(m.slabs, buf.Bytes())
	}
	return m, nil
}

// pieces calls do with the parts of the slabs that hold a slot, and their places in it.
func (m *memoryStore) pieces(s stateSlot, do func(slab []byte, at int64)) {
	for at := int64(0); at < s.n; {
		off := (s.off + at) % slabBytes
		n := min(slabBytes-off, s.n-at)
		do(m.slabs[(s.off+at)/slabBytes][off:off+n], at)
		at += n
	}
}

func (m *memoryStore) has(s stateSlot) bool { return m.full[s.index] }

func (m *memoryStore) get(s stateSlot, dst []byte) (bool, error) {
	m.pieces(s, func(slab []byte, at int64) { copy(dst[at:], slab) })
	return true, nil
}

func (m *memoryStore) put(s stateSlot, src []byte) error {
	m.pieces(s, func(slab []byte, at int64) { copy(slab, src[at:]) })
	m.full[s.index] = true
	return nil
}

// close leaves the memory to the runtime.
func (m *memoryStore) close() error { return nil }

// stateKey says what the states in a file depend on, so that those of another run
// are not taken for this one's.
type stateKey struct {
	Format  int    `json:"format"`
	Model   string `json:"model"`   // hash of the weights before the step
	Layers  int    `json:"layers"`  // how many are frozen
	DType   string `json:"dtype"`   // of the states
	Data    string `json:"data"`    // hash of the token ids and of how the first epoch packs them
	Device  string `json:"device"`  // what computes
	Program string `json:"program"` // hash of the program: kernels may have changed
}

// differs names the first thing in which two keys differ, in words; "" if none.
func (k stateKey) differs(other stateKey) string {
	switch {
	case k.Format != other.Format:
		return fmt.Sprintf("another format (%d, this version has %d)", other.Format, k.Format)
	case k.Layers != other.Layers:
		return fmt.Sprintf("%d frozen layers, this run has %d", other.Layers, k.Layers)
	case k.DType != other.DType:
		return fmt.Sprintf("dtype %s, this run has %s", other.DType, k.DType)
	case k.Model != other.Model:
		return "another model"
	case k.Data != other.Data:
		return "other data, or other settings of its batches (seed, batch_size, max_seq_length, packing, val_batches)"
	case k.Device != other.Device:
		return fmt.Sprintf("another device (%s, this is %s)", other.Device, k.Device)
	case k.Program != other.Program:
		return "another build of ftmetal"
	}
	return ""
}

// text is the key as a file has it.
func (k stateKey) text() []byte {
	b, err := json.Marshal(k)
	if err != nil {
		panic("train: state key: " + err.Error())
	}
	return b
}
