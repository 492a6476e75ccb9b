// Package typecheck checks the darwin build of the module on any system, without
// an SDK and without a C compiler, as tests: the types of all packages for both
// architectures; every message that the driver sends through darwinkit, whose
// selector and arguments Go's compiler does not see, against what darwinkit
// generated for the same selector; and that no method of darwinkit is called that
// panics or crashes when it runs. What cgo's C half holds is not seen here: the
// cross build (metal/darwin/sdk) compiles that.
package typecheck
