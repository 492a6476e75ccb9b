package main

import _ "github.com/ftmetal/ftmetal/metal/all" // the devices of this build
