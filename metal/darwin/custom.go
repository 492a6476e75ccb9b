//go:build darwin || metalfake

package darwin

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/ftmetal/ftmetal/metal"
)

// Kernels that the calling program brings (metal.Source): compiled like the
// built-in files, with the same headers in the text, and kept by key.

// sourceOf is the text of such a kernel as Metal's compiler gets it. Its own #line
// directives stay, so that messages name the caller's lines.
func sourceOf(src *metal.Source, tensor bool) (string, error) {
	in := newInliner(tensor)
	if err := in.text(src.Name, src.Text); err != nil {
		return "", err
	}
	return in.out.String(), nil
}

// parameter is a buffer of a kernel of the calling program, as kernels.Custom
// declares it: its const, its type and its index.
var parameter = regexp.MustCompile(`(?m)^\s*(?:device|constant) (const )?([\w<>]+)[*&] \w+ \[\[buffer\((\d+)\)\]\]`)

// alignments of the types that such kernels take; atomics are as their values.
var alignments = map[string]int{"bool": 1, "uint8_t": 1, "int8_t": 1, "uint16_t": 2, "int16_t": 2, "float16_t": 2, "bfloat16_t": 2,
	"uint32_t": 4, "int32_t": 4, "float": 4, "uint64_t": 8, "int64_t": 8}

// signatureOf is what a kernel of the calling program declares. The args struct
// is the one that the dispatch brings: its text does not say how long it is.
func signatureOf(src *metal.Source, args int) (*metal.Signature, error) {
	found := parameter.FindAllStringSubmatch(src.Text, -1)
	if len(found) == 0 {
		return nil, errors.New("the source declares no buffers")
	}
	if args == 0 {
		return nil, errors.New("the dispatch has no args")
	}
	sig := &metal.Signature{Args: args}
	for i, m := range found[:len(found)-1] { // the last one is the args struct
		kind := strings.TrimSuffix(strings.TrimPrefix(m[2], "atomic<"), ">")
		if m[3] != strconv.Itoa(i) || alignments[kind] == 0 {
			return nil, fmt.Errorf("buffer %d is declared as %q at index %s", i, m[2], m[3])
		}
		sig.Align = append(sig.Align, alignments[kind])
		sig.Written = append(sig.Written, m[1] == "")
	}
	return sig, nil
}
