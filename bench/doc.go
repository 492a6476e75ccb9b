// Package bench measures ftmetal: kernels, steps and whole trainings.
//
//	go test ./bench -run '^$' -bench Gemm
//
// Command compare, below, measures it against others.
package bench
