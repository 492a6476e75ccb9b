// Package fake is Metal without a GPU: classes of Metal's names for GNUstep's
// Objective-C runtime, so that the real driver (metal/darwin) runs on Linux. A
// dispatch runs the kernel through the software device.
//
// It exists with the build tag metalfake and is compiled by the script fakecc:
//
//	CC=metal/darwin/fake/fakecc go test -tags metalfake ./metal/darwin/...
//
// It is stricter than a GPU. Work runs when somebody waits for it, on whatever is
// alive and mapped then; dispatches between two barriers run in reverse order,
// or with BothOrders in both, and the results are compared; command buffers that
// share memory have to be ordered by a fence; and each rule of Metal's validation
// layer that the driver could break ends the process with a line that begins
// "fake Metal:". Live counts the objects that were not released.
//
// Nothing here is known from a Mac: it is Metal as its documentation has it.
package fake
