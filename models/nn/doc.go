// Package nn holds the layers that architectures are made of, as small structs
// whose fields are named like the weights they load, and the walk that finds
// those weights.
//
// A layer reads its parameters' arrays when Forward builds the graph. Training
// replaces the arrays of trainable parameters by traced ones before it calls
// Forward; nothing else about a layer changes.
package nn
