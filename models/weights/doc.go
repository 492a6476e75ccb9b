// Package weights reads and writes model weights in the safetensors format:
// single files ([Open], [WriteFile]) and folders as Hugging Face and mlx-lm lay
// them out, in one file or in shards with an index ([OpenDir], [SaveSharded]).
//
// Invariants:
//   - Opening reads the header and maps the rest; no tensor is touched. A
//     [Tensor]'s Data lies in the mapping: it is read-only and ends at Close.
//   - A header is checked completely before any tensor is handed out: every
//     byte of the file belongs to exactly one tensor, and a tensor's bytes are
//     as many as its shape and dtype say.
//   - Writing replaces files in one step and never holds more than one tensor
//     that was not in memory before.
//
// Numbers are little-endian in files and in memory. The format is specified at
// https://huggingface.co/docs/safetensors. Start reading at file.go.
package weights
