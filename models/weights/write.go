package weights

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ftmetal/ftmetal/internal/atomicfile"
	"github.com/ftmetal/ftmetal/metal"
)

// dataAlign is where the data of a written file begins: at a multiple of a
// cache line, so that every tensor is aligned to its elements in the mapping.
const dataAlign = 64

// filePerm is the mode of written files, before umask.
const filePerm = 0o644

// Lazy is a tensor whose elements are made when they are written.
type Lazy struct {
	Name  string
	DType metal.DType
	Shape []int // empty for a scalar
	// Data returns the elements as in [Tensor]. It is called once, and the slice
	// is not kept.
	Data func() ([]byte, error)
}

// WriteFile writes a safetensors file in one step: on any error path keeps its
// old content. Tensors are stored by dtype, wide ones first, then by name, so
// equal tensors and metadata give equal files. metadata may be nil; files for
// Hugging Face's transformers need {"format": "pt"}.
func WriteFile(path string, tensors []Tensor, metadata map[string]string) error {
	lazy := make([]Lazy, len(tensors))
	for i, t := range tensors {
		lazy[i] = Lazy{t.Name, t.DType, t.Shape, func() ([]byte, error) { return t.Data, nil }}
	}
	if err := checkTensors(lazy); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return atomicfile.Write(path, filePerm, func(w io.Writer) error { return writeTo(w, lazy, metadata) })
}

// checkTensors checks what can be checked before data exists.
func checkTensors(tensors []Lazy) error {
	seen := map[string]bool{}
	total := int64(0)
	for _, t := range tensors {
		if t.Name == metadataKey {
			return fmt.Errorf("tensor %q has the name of the format's metadata", t.Name)
		}
		if !utf8.ValidString(t.Name) {
			return fmt.Errorf("tensor %q: the name is not UTF-8", t.Name)
		}
		if seen[t.Name] {
			return fmt.Errorf("tensor %q appears twice", t.Name)
		}
		seen[t.Name] = true
		if fileRank(t.DType) < 0 {
			return fmt.Errorf("tensor %q: unknown dtype %s", t.Name, t.DType)
		}
		if len(t.Shape) > maxRank {
			return fmt.Errorf("tensor %q: %d axes, want at most %d", t.Name, len(t.Shape), maxRank)
		}
		size, err := byteSize(t.Shape, t.DType)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if total += size; total < 0 {
			return errors.New("the tensors together overflow 64 bits")
		}
	}
	return nil
}

// writeTo writes a whole file. The tensors must have been checked.
func writeTo(w io.Writer, tensors []Lazy, metadata map[string]string) error {
	tensors = slices.Clone(tensors)
	slices.SortFunc(tensors, func(a, b Lazy) int {
		return cmp.Or(fileRank(a.DType)-fileRank(b.DType), strings.Compare(a.Name, b.Name))
	})
	head, err := encodeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, t := range tensors {
		data, err := t.Data()
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		want, err := byteSize(t.Shape, t.DType)
		if err == nil && int64(len(data)) != want {
			err = fmt.Errorf("%d bytes, but shape %v of %s takes %d", len(data), t.Shape, t.DType, want)
		}
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return nil
}

// encodeHeader makes the header of a file that holds tensors in this order.
func encodeHeader(tensors []Lazy, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	b.WriteByte('{')
	if len(metadata) > 0 {
		b.WriteString(quote(metadataKey) + ":{")
		for i, key := range sortedKeys(metadata) {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quote(key) + ":" + quote(metadata[key]))
		}
		b.WriteByte('}')
	}
	at := int64(0)
	for i, t := range tensors {
		if i > 0 || len(metadata) > 0 {
			b.WriteByte(',')
		}
		size, err := byteSize(t.Shape, t.DType)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `%s:{"dtype":%q,"shape":[`, quote(t.Name), fileDTypes[fileRank(t.DType)].name)
		for d, n := range t.Shape {
			if d > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Itoa(n))
		}
		fmt.Fprintf(&b, `],"data_offsets":[%d,%d]}`, at, at+size)
		at += size
	}
	b.WriteByte('}')
	for b.Len()%dataAlign != 0 {
		b.WriteByte(' ')
	}
	if b.Len()-8 > maxHeader {
		return nil, errors.New("too many tensors for one file: the header is over the limit of 100 MB")
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-8))
	return b.Bytes(), nil
}

// quote is s as a JSON string, without the escapes for HTML.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // a string always encodes, into a Builder too
	return strings.TrimSuffix(b.String(), "\n")
}
