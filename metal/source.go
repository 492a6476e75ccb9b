package metal

import (
	"crypto/sha256"
	"encoding/hex"
)

// Source is the text of a kernel that is not one of the built-in files: the
// calling program passed it (graph.MetalKernel), and a device compiles it when a
// dispatch that carries it is prepared. Text from any other place, such as a
// model's files, never becomes a Source.
//
// The text is a file of the kernel dialect (docs/kernel-dialect.md): it begins
// with #include "kernel.h", includes nothing but headers of kernels.Files, and
// instantiates one kernel, called Name. A device that builds its own library
// from kernels.Files compiles it the same way, with the same options. #line
// directives in it make the compiler's messages name the caller's lines; a
// device returns them, whole, in the error of Prepare.
//
// Compiling is slow: a device keeps what it has compiled, by Key. A device that
// cannot compile returns an error that says what is missing, and devices that
// run nothing (null) take no notice.
type Source struct {
	Name string // of the kernel, and of a Dispatch that runs it
	Text string
}

// Key tells sources apart: equal keys have equal texts.
func (s *Source) Key() string {
	sum := sha256.Sum256([]byte(s.Name + "\x00" + s.Text))
	return hex.EncodeToString(sum[:16])
}
