// Package atomicfile replaces files in one step: a reader sees the old content
// or the new one, and a failure (a full disk, a bug, a crash) leaves the old.
//
// Content goes to a temporary file in the same folder, is synced, and is
// renamed over the target; then the folder is synced, so that the rename
// survives a power cut. [Write] does all of it for one file. [Stage] and
// [File.Commit] are its two halves, for several files that must change together.
//
// Errors name the target, never the temporary file. Temporary names start with
// a dot and end in ".tmp", so that no pattern for models or checkpoints matches
// what a crash leaves behind. A target that is a symbolic link is replaced, not
// followed.
package atomicfile
