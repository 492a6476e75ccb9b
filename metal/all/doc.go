// Package all registers every device that the build can have. Programs import
// it for that alone.
package all

import (
	_ "github.com/ftmetal/ftmetal/metal/check"  // compares two devices
	_ "github.com/ftmetal/ftmetal/metal/darwin" // the Apple GPU; empty elsewhere
	_ "github.com/ftmetal/ftmetal/metal/null"   // counts
	_ "github.com/ftmetal/ftmetal/metal/soft"   // the software device
)
