package chat

import "fmt"

// Error is what went wrong in a template, and where.
type Error struct {
	Template string // the name given to Parse
	Line     int    // 1-based
	Msg      string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.Template, e.Line, e.Msg) }

// catch turns the panic of an *Error into an error. Lexer, parser and evaluator
// report that way, as their recursion is deep and every step can fail.
func catch(err *error) {
	switch e := recover().(type) {
	case nil:
	case *Error:
		*err = e
	default:
		panic(e)
	}
}
