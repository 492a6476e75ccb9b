package main

// The devices of this build; the Apple GPU's package is for darwin only.
import (
	_ "github.com/ftmetal/ftmetal/metal/check"
	_ "github.com/ftmetal/ftmetal/metal/null"
	_ "github.com/ftmetal/ftmetal/metal/soft"
)
