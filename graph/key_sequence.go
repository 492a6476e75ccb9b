package graph

// KeySequence hands out random keys one after the other, each used once. Its
// state is an array, so that a compiled function can advance it.
type KeySequence struct {
	State *Array `name:"state"`
}

// NewKeySequence is the sequence that MLX draws from after mx.random.seed(seed).
// Mirrors mx.random.seed.
func NewKeySequence(seed uint64) *KeySequence { return &KeySequence{Key(seed)} }

// Next is the next key, uint32 [2].
func (s *KeySequence) Next() *Array {
	pair := Split(s.State, 2)
	s.State = Reshape(SliceAxis(pair, 0, 0, 1), 2)
	return Reshape(SliceAxis(pair, 0, 1, 2), 2)
}
