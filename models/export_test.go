package models

// SetSliceElements bounds the part of a matrix that is saved at a time, and
// returns what sets it back.
func SetSliceElements(n int) (restore func()) {
	old := sliceElements
	sliceElements = n
	return func() { sliceElements = old }
}
