// Package tree treats Go values that hold arrays (structs, maps, slices,
// pointers, in any nesting) as trees whose leaves are arrays, as mlx.utils and
// MLX's transforms treat Python's.
//
// A leaf's name is the path to it, joined by dots: the `name` tag of a struct
// field, or else the field's name in snake case (QProj is q_proj); a map's key;
// a slice's index. `name:"-"` leaves a field out, `name:""` and embedding add
// nothing to the path. Unexported fields are not looked at. Maps are walked in
// the order of their keys, everything else in the order it is written. What a
// pointer shares is walked once.
//
// [ValueAndGrad] and [Compile] are the transforms over such values. Start
// reading at walk.go.
package tree
