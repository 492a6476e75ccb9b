package soft

import (
	"embed"

	"github.com/ftmetal/ftmetal/kernels"
)

// What the C++ files include, and the kernels they are compiled from. Nothing
// reads them here: they make the build cache see an edit.
var (
	//go:embed shim testdata/*.metal
	sources embed.FS
	_       = sources
	_       = kernels.Files
)
