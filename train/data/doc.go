// Package data turns files of training examples into batches of token ids.
// Everything here is host-side Go: no arrays, no device.
//
// The way of a row:
//
//	file ── lines ── row (its [Kind]) ── [Example] ── [Corpus] ── [Iterator] ── [Batch]
//
// [Find] names the train, valid and test files of a folder, [Load] reads one
// of them as a stream (plain, .gz or .zst) and keeps only token ids and the
// spans that count in the loss. Three iterators make batches of a Corpus:
//
//   - [Packed]: rows of exactly SeqLen tokens, several examples per row, kept
//     apart by segment ids. The default: one static shape, hardly any padding.
//   - [Padded]: one example per row, examples of like length together.
//   - [Compat]: mlx-lm's batches number for number, from numpy's legacy
//     permutation ([RandomState]).
//
// [Prefetch] runs any of them ahead in a goroutine.
//
// Invariants:
//   - A row is never split over two segments, and over an epoch every row is
//     used exactly once (Compat drops the last partial batch, as mlx-lm does).
//   - A [Cursor] taken after any batch resumes with the very next batch, bit
//     for bit, when the data and the batch shape are the same.
//   - Bad input is one line of text that begins with file:line.
//
// Random numbers: Packed, Padded and [Corpus.SplitOff] draw from PCG-DXSM of
// math/rand/v2, seeded with (seed, a constant per use), by the shuffle in
// rng.go; nothing depends on map order, time or the number of cores.
//
// Start reading at batch.go, then packed.go.
package data
