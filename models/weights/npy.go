package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ftmetal/ftmetal/internal/atomicfile"
	"github.com/ftmetal/ftmetal/metal"
)

// npyMagic opens an array in NumPy's format; a version of two bytes follows.
const npyMagic = "\x93NUMPY"

// maxNPYHeader bounds the text that describes one array.
const maxNPYHeader = 1 << 20

// npyDTypes are NumPy's names of the element types, without the byte order.
// MLX stores bfloat16 as V2.
var npyDTypes = map[string]metal.DType{
	"b1": metal.Bool, "u1": metal.Uint8, "u2": metal.Uint16, "u4": metal.Uint32, "u8": metal.Uint64,
	"i1": metal.Int8, "i2": metal.Int16, "i4": metal.Int32, "i8": metal.Int64,
	"f2": metal.Float16, "f4": metal.Float32, "f8": metal.Float64, "c8": metal.Complex64, "V2": metal.BFloat16,
}

// npyHeader describes an array.
type npyHeader struct {
	dtype        metal.DType
	shape        []int
	bigEndian    bool
	fortranOrder bool
}

// readNPY reads one array, which has to be all of r. Data is row-major and
// little-endian whatever the file's order.
func readNPY(r io.Reader) (Tensor, error) {
	h, err := readNPYHeader(r)
	if err != nil {
		return Tensor{}, err
	}
	size, err := byteSize(h.shape, h.dtype)
	if err != nil {
		return Tensor{}, err
	}
	if size > math.MaxInt-1 {
		return Tensor{}, fmt.Errorf("%d bytes do not fit in memory", size)
	}
	// Memory grows with what is there, not with what the header claims.
	var data bytes.Buffer
	n, err := io.Copy(&data, io.LimitReader(r, size+1))
	if err != nil {
		return Tensor{}, err
	}
	if n != size {
		what := fmt.Sprintf("%d bytes of data", n)
		if n > size {
			what = "more data"
		}
		return Tensor{}, fmt.Errorf("%s, but shape %v of %s takes %d bytes", what, h.shape, h.dtype, size)
	}
	t := Tensor{DType: h.dtype, Shape: h.shape, Data: data.Bytes()}
	if h.bigEndian {
		swapBytes(t.Data, elementWidth(h.dtype))
	}
	if h.fortranOrder && len(h.shape) > 1 {
		t.Data = rowMajor(t.Data, h.shape, h.dtype.Size())
	}
	return t, nil
}

func readNPYHeader(r io.Reader) (npyHeader, error) {
	var h npyHeader
	start := make([]byte, len(npyMagic)+2)
	if _, err := io.ReadFull(r, start); err != nil {
		return h, fmt.Errorf("no header of an .npy file: %w", err)
	}
	if string(start[:len(npyMagic)]) != npyMagic {
		return h, errors.New("not an .npy file: it does not begin with \\x93NUMPY")
	}
	length := make([]byte, 4)
	switch major := start[len(npyMagic)]; major {
	case 1:
		length = length[:2]
	case 2, 3:
	default:
		return h, fmt.Errorf("version %d of the .npy format, want 1 to 3", major)
	}
	if _, err := io.ReadFull(r, length); err != nil {
		return h, fmt.Errorf("header: %w", err)
	}
	n := uint32(binary.LittleEndian.Uint16(length))
	if len(length) == 4 {
		n = binary.LittleEndian.Uint32(length)
	}
	if n > maxNPYHeader {
		return h, fmt.Errorf("header of %d bytes, want at most %d", n, maxNPYHeader)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return h, fmt.Errorf("header of %d bytes: %w", n, err)
	}
	if err := h.parse(string(text)); err != nil {
		return h, fmt.Errorf("header %.80q: %w", strings.TrimSpace(string(text)), err)
	}
	return h, nil
}

// parse reads the Python dictionary of a header: the keys descr, fortran_order
// and shape in any order, each once.
func (h *npyHeader) parse(text string) error {
	p := pyText{strings.TrimSpace(text)}
	seen := map[string]bool{}
	if !p.take("{") {
		return errors.New("not a dictionary")
	}
	for !p.take("}") {
		key, err := p.quoted()
		if err != nil {
			return err
		}
		if seen[key] {
			return fmt.Errorf("key %q appears twice", key)
		}
		seen[key] = true
		if !p.take(":") {
			return fmt.Errorf("no value for key %q", key)
		}
		if err := h.field(&p, key); err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
		if !p.take(",") && !strings.HasPrefix(p.rest, "}") {
			return errors.New("no comma between keys")
		}
	}
	if p.rest != "" {
		return errors.New("text after the dictionary")
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			return fmt.Errorf("no key %q", key)
		}
	}
	return nil
}

func (h *npyHeader) field(p *pyText, key string) error {
	switch key {
	case "descr":
		descr, err := p.quoted()
		if err != nil {
			return err
		}
		return h.element(descr)
	case "fortran_order":
		h.fortranOrder = p.take("True")
		if !h.fortranOrder && !p.take("False") {
			return errors.New("want True or False")
		}
		return nil
	case "shape":
		var err error
		h.shape, err = p.tuple()
		return err
	}
	return errors.New("unknown")
}

// element reads an element type such as "<f4".
func (h *npyHeader) element(descr string) error {
	order, name := "|", descr
	if descr != "" && strings.ContainsRune("<>=|", rune(descr[0])) {
		order, name = descr[:1], descr[1:]
	}
	dt, ok := npyDTypes[name]
	if !ok {
		return fmt.Errorf("element type %q is not supported", descr)
	}
	h.dtype, h.bigEndian = dt, order == ">"
	return nil
}

// pyText is what is left of a Python literal.
type pyText struct{ rest string }

func (p *pyText) skip() { p.rest = strings.TrimLeft(p.rest, " \t\n") }

// take removes s from the front, with the space around it.
func (p *pyText) take(s string) bool {
	p.skip()
	rest, ok := strings.CutPrefix(p.rest, s)
	if ok {
		p.rest = rest
		p.skip()
	}
	return ok
}

func (p *pyText) quoted() (string, error) {
	p.skip()
	if p.rest == "" || (p.rest[0] != '\'' && p.rest[0] != '"') {
		return "", errors.New("want a string")
	}
	end := strings.IndexByte(p.rest[1:], p.rest[0])
	if end < 0 {
		return "", errors.New("a string without end")
	}
	s := p.rest[1 : 1+end]
	p.rest = p.rest[2+end:]
	p.skip()
	return s, nil
}

// tuple reads (), (3,) or (2, 3).
func (p *pyText) tuple() ([]int, error) {
	if !p.take("(") {
		return nil, errors.New("want a tuple of integers")
	}
	dims := []int{}
	for !p.take(")") {
		digits := 0
		for digits < len(p.rest) && p.rest[digits] >= '0' && p.rest[digits] <= '9' {
			digits++
		}
		n, err := strconv.Atoi(p.rest[:digits])
		if err != nil {
			return nil, errors.New("want a tuple of integers")
		}
		p.rest = p.rest[digits:]
		p.take("L") // Python 2 wrote long integers so
		if dims = append(dims, n); len(dims) > maxRank {
			return nil, fmt.Errorf("more than %d axes", maxRank)
		}
		if !p.take(",") && !strings.HasPrefix(p.rest, ")") {
			return nil, errors.New("want a tuple of integers")
		}
	}
	return dims, nil
}

// elementWidth is the size of what the byte order applies to.
func elementWidth(dt metal.DType) int {
	if dt == metal.Complex64 {
		return 4
	}
	return dt.Size()
}

func swapBytes(data []byte, width int) {
	for i := 0; i+width <= len(data); i += width {
		slices.Reverse(data[i : i+width])
	}
}

// rowMajor reorders data that lies with the first axis innermost.
func rowMajor(data []byte, shape []int, width int) []byte {
	out := make([]byte, len(data))
	at := make([]int, len(shape))
	for i := 0; i < len(data); i += width { // in the order of the file
		to := 0
		for a, n := range shape {
			to = to*n + at[a]
		}
		copy(out[to*width:], data[i:i+width])
		for a := range at {
			if at[a]++; at[a] < shape[a] {
				break
			}
			at[a] = 0
		}
	}
	return out
}

// writeNPY writes an array as version 1.0 of the format, or 2.0 if the header
// needs it.
func writeNPY(w io.Writer, t Lazy) error {
	descr := ""
	for name, dt := range npyDTypes {
		if dt == t.DType {
			descr = name
		}
	}
	size, err := byteSize(t.Shape, t.DType)
	if err != nil {
		return err
	}
	order := "<"
	if t.DType.Size() == 1 {
		order = "|"
	}
	var shape strings.Builder
	for i, n := range t.Shape {
		if i > 0 {
			shape.WriteByte(' ')
		}
		fmt.Fprintf(&shape, "%d,", n)
	}
	dims := shape.String()
	if len(t.Shape) > 1 {
		dims = strings.TrimSuffix(dims, ",")
	}
	text := fmt.Sprintf("{'descr': '%s%s', 'fortran_order': False, 'shape': (%s), }", order, descr, dims)
	head := []byte(npyMagic + "\x01\x00")
	total := (len(head) + 2 + len(text) + 1 + dataAlign - 1) / dataAlign * dataAlign
	text += strings.Repeat(" ", total-len(head)-2-len(text)-1) + "\n"
	head = binary.LittleEndian.AppendUint16(head, uint16(len(text)))
	if _, err := w.Write(append(head, text...)); err != nil {
		return err
	}
	data, err := t.Data()
	if err != nil {
		return err
	}
	if int64(len(data)) != size {
		return fmt.Errorf("%d bytes, but shape %v of %s takes %d", len(data), t.Shape, t.DType, size)
	}
	_, err = w.Write(data)
	return err
}

// WriteNPY writes one array in NumPy's format, in one step. bfloat16 is stored
// as MLX stores it, as V2.
func WriteNPY(path string, t Tensor) error {
	lazy := Lazy{t.Name, t.DType, t.Shape, func() ([]byte, error) { return t.Data, nil }}
	if err := checkTensors([]Lazy{lazy}); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return atomicfile.Write(path, filePerm, func(w io.Writer) error { return writeNPY(w, lazy) })
}
