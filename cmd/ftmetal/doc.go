// Command ftmetal fine-tunes language models, and evaluates, runs and merges
// what came out.
//
// Every subcommand has a file of its own that only declares its flags and calls
// the package that does the work. Exit codes: 0 done, 1 failed or interrupted,
// 2 wrong usage.
//
// Start at app.go.
package main
