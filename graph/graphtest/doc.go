// Package graphtest checks the array engine against outside truths: MLX's own
// values (golden.go, ops_*.go) and finite differences (gradcheck.go). It is for
// the tests of graph, models and train.
//
// A golden case names an MLX function; the tables in ops_*.go translate its
// arguments to this engine's. A function or an argument that is not in them is
// counted as unsupported, never passed over. The tolerance is one formula in
// compare.go.
package graphtest
