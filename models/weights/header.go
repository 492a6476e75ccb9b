package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/metal"
)

// maxHeader is the format's own limit on the length of a header in bytes.
const maxHeader = 100_000_000

// maxRank is the most axes a tensor may have, NumPy's limit.
const maxRank = 64

// metadataKey is the header key that names no tensor.
const metadataKey = "__metadata__"

// entry is one tensor as a header describes it.
type entry struct {
	name       string
	dtype      metal.DType
	shape      []int
	begin, end int64 // bytes, relative to the end of the header
}

// header is a parsed and checked header.
type header struct {
	entries  []entry // in the order of their names
	metadata map[string]string
	data     int64 // where the data begins in the file
}

// readHeader parses the header of a file of size bytes and checks that its
// tensors cover the rest of the file without gap or overlap. Nothing is
// allocated on the word of a length that the file does not have.
func readHeader(r io.ReaderAt, size int64) (*header, error) {
	var prefix [8]byte
	if size < int64(len(prefix)) {
		return nil, fmt.Errorf("truncated: %d bytes, want at least 8 for the header length", size)
	}
	if _, err := r.ReadAt(prefix[:], 0); err != nil {
		return nil, fmt.Errorf("header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > maxHeader {
		return nil, fmt.Errorf("header length %d is over the limit of %d: not a safetensors file", n, maxHeader)
	}
	if int64(n) > size-8 {
		return nil, fmt.Errorf("truncated: header length is %d, but only %d bytes follow", n, size-8)
	}
	text := make([]byte, n)
	if _, err := r.ReadAt(text, 8); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	h, err := parseHeader(text)
	if err != nil {
		return nil, err
	}
	h.data = 8 + int64(n)
	return h, h.checkLayout(size - h.data)
}

// checkLayout checks that the tensors cover size bytes of data, each byte once.
func (h *header) checkLayout(size int64) error {
	order := make([]*entry, len(h.entries))
	for i := range h.entries {
		order[i] = &h.entries[i]
	}
	// Empty tensors come before what begins at the same byte.
	slices.SortFunc(order, func(a, b *entry) int {
		if a.begin != b.begin {
			return int(min(max(a.begin-b.begin, -1), 1))
		}
		return int(min(max(a.end-b.end, -1), 1))
	})
	var at int64
	last := ""
	for _, e := range order {
		switch {
		case e.begin < at:
			return fmt.Errorf("tensor %q begins at byte %d, inside tensor %q, which ends at %d", e.name, e.begin, last, at)
		case e.begin > at:
			return fmt.Errorf("%d bytes before tensor %q (%d to %d) belong to no tensor", e.begin-at, e.name, at, e.begin)
		case e.end > size:
			return fmt.Errorf("truncated: tensor %q ends at byte %d of the data, which has %d", e.name, e.end, size)
		}
		at, last = e.end, e.name
	}
	if at != size {
		return fmt.Errorf("%d bytes after the last tensor belong to no tensor", size-at)
	}
	return nil
}

// parseHeader parses the JSON of a header. Shapes, dtypes and sizes are
// checked, places in the file are not.
func parseHeader(text []byte) (*header, error) {
	if len(text) == 0 || text[0] != '{' {
		return nil, errors.New("header does not begin with '{': not a safetensors file")
	}
	o, err := newJSONReader(text)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	h := &header{}
	err = o.each(func(name string) error {
		if name == metadataKey {
			h.metadata, err = o.textsOrNull()
			return wrap(err, metadataKey)
		}
		e, err := o.entry()
		e.name = name
		h.entries = append(h.entries, e)
		return wrap(err, "tensor %q", name)
	})
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	slices.SortFunc(h.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return h, nil
}

// entry reads the description of one tensor.
func (o *jsonReader) entry() (entry, error) {
	e := entry{begin: -1}
	hasDType, hasShape := false, false
	err := o.each(func(key string) error {
		switch key {
		case "dtype":
			s, err := o.text()
			if err != nil {
				return wrap(err, "dtype")
			}
			hasDType = true
			e.dtype, err = parseDType(s)
			return err
		case "shape":
			dims, err := o.integers()
			if err == nil && len(dims) > maxRank {
				err = fmt.Errorf("%d axes, want at most %d", len(dims), maxRank)
			}
			if err != nil {
				return wrap(err, "shape")
			}
			hasShape = true
			e.shape = make([]int, len(dims))
			for i, n := range dims {
				e.shape[i] = int(n)
			}
			return nil
		case "data_offsets":
			at, err := o.integers()
			if err == nil && len(at) != 2 {
				err = fmt.Errorf("%d numbers, want 2", len(at))
			}
			if err != nil {
				return wrap(err, "data_offsets")
			}
			e.begin, e.end = at[0], at[1]
			return nil
		}
		// The format may grow keys; its own readers pass over them too.
		return o.skip()
	})
	switch {
	case err != nil:
		return e, err
	case !hasDType:
		return e, errors.New("dtype is missing")
	case !hasShape:
		return e, errors.New("shape is missing")
	case e.begin < 0:
		return e, errors.New("data_offsets is missing")
	case e.end < e.begin:
		return e, fmt.Errorf("data_offsets [%d %d] end before they begin", e.begin, e.end)
	}
	want, err := byteSize(e.shape, e.dtype)
	if err == nil && e.end-e.begin != want {
		err = fmt.Errorf("data_offsets span %d bytes, but shape %v of %s takes %d", e.end-e.begin, e.shape, e.dtype, want)
	}
	return e, err
}
