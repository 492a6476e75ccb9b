//go:build metalfake

package all

import _ "github.com/ftmetal/ftmetal/metal/darwin/fake" // Metal for the driver on Linux
