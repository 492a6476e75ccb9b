// Package metal is the contract between the engine and a device: element
// types, buffers of unified memory, kernel dispatches, and the pool that owns
// memory.
//
// A program is data: a flat list of [Dispatch] values, each naming a kernel,
// the byte ranges it reads and writes, its constants and its grid. A [Device]
// prepares such a list once and runs it many times; running, timing, printing,
// comparing and counting are all functions of the list.
//
// Invariants:
//   - A device runs a list in order, as if one dispatch after another. It may
//     overlap dispatches whose views do not conflict.
//   - A kernel touches no byte outside the views of its dispatch.
//   - Memory is unified: what a device writes, the host reads at the same
//     address once Run has returned.
//
// Devices register themselves by name ([Register]) and are chosen by [Open].
// Start reading at metal.go.
package metal
