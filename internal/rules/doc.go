// Package rules holds the repository's rules as tests: which package may import
// which, how long files and functions may be, where the environment is read.
// It has no code of its own.
package rules
