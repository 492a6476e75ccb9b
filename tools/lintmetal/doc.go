// Command lintmetal proves Metal's rules about kernel files without Apple's
// compiler:
//
//	go run ./tools/lintmetal [-rules] [kernels/NAME.metal …]
//
// It has two halves. Rules on tokens (rule_*.go) see what C++ lets through: a
// pointer whose address space template deduction makes up, a literal that is a
// double, an early return before a barrier, names, argument structs. They need
// no compiler, and go test runs them on testdata/rules.
//
// Then clang (clang.go) compiles each file as C++14 with device, constant and
// threadgroup as address spaces, against declarations of Metal's standard
// library (include/): a dropped threadgroup or a write to a device const is a
// type error there. The files of testdata/clang, each with one fault, run
// first: a fault that clang stops to see fails the run. -rules leaves clang
// out.
//
// A fixture's line with a fault ends in "// want", followed by the message in
// backquotes.
package main
