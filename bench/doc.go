// Package bench measures ftmetal: kernels, steps and whole trainings.
//
//	go test ./bench -run '^$' -bench Gemm
package bench
