// Command compare measures ftmetal against what people would use instead, in one
// run: PyTorch with transformers and peft, MLX's CPU build with mlx-lm, OpenBLAS.
//
//	bench/peers/setup.sh DIR                     # once
//	go run ./bench/compare -peers DIR            # make bench-peers
//	go run ./bench/compare -peers DIR -case '^train/'
//
// Each side of a case is a process of its own that answers the same protocol
// (worker.go, bench/peers/worker.py). They run in turn, so that all of them see
// the same machine; a result is the median. What others on the machine took
// meanwhile is measured too and belongs to the result. Results are kept in
// bench/results: results.json, where a new run replaces the cases that it
// measures, results.md and chart.svg.
package main
