package soft

import "embed"

// What the C++ files include, besides the kernels. It makes the build cache see
// an edit, and kernels that are compiled while the program runs include it.
//
//go:embed shim testdata/*.metal
var sources embed.FS
