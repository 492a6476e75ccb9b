// Package rules holds the repository's rules as tests: which package may import
// which, how long files and functions may be, where the environment is read,
// which files belong to a kernel. It has no code of its own.
//
// A failure names the file and says what to do. docs/debugging.md and
// docs/mlx-parity.md have parts that go test ./internal/rules -update writes.
package rules
