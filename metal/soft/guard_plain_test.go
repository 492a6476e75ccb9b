//go:build !asan

package soft_test

// guardFaults: an access outside the views ends the process.
const guardFaults = false
