package kernels

import "embed"

// Files is the source of every kernel: the .metal files and the headers that
// they include. The Apple device compiles them; the software device is built
// from the same files.
//
//go:embed *.h *.metal
var Files embed.FS
