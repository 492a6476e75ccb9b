// Package tokenizer reads Hugging Face tokenizer.json files and turns text
// into token ids and back, exactly as the Rust library "tokenizers" does.
//
// A text passes five stages, each one section of the file:
//
//	added tokens → normalizer → pre-tokenizer → model → post-processor
//
// Two invariants hold everywhere. A part this package does not know is an error
// that names the file, the section and the type, never a silent fallback: a
// wrong token id trains a wrong model. And ids never depend on whether offsets
// were asked for, because both go through the same code; tracking only switches
// on the bookkeeping in text.go.
//
// The "truncation" and "padding" sections are ignored, as transformers ignores
// them unless a call asks for them.
//
// A Tokenizer is safe for concurrent use. Start reading at tokenizer.go, then
// text.go; Train in train.go makes new byte-level BPE files.
package tokenizer
