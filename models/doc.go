// Package models loads Hugging Face folders: config.json picks the
// architecture, safetensors hold the weights, which are mapped and used where
// they lie.
//
// There is one package per architecture; the table in models.go is the only
// list of them.
package models
