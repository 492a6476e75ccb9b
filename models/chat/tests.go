package chat

// tests are jinja2's tests.
var tests map[string]func(s *state, v any, a args) bool

func init() {
	tests = map[string]func(s *state, v any, a args) bool{
		"defined":     simple(func(v any) bool { return !isUndefined(v) }),
		"undefined":   simple(isUndefined),
		"none":        simple(func(v any) bool { return v == nil }),
		"boolean":     simple(func(v any) bool { return v == true || v == false }),
		"true":        simple(func(v any) bool { return v == true }),
		"false":       simple(func(v any) bool { return v == false }),
		"string":      simple(func(v any) bool { _, ok := text(v); return ok }),
		"number":      simple(isNumber),
		"integer":     simple(isInteger),
		"float":       simple(func(v any) bool { _, ok := v.(float64); return ok }),
		"mapping":     simple(func(v any) bool { _, ok := v.(*dict); return ok }),
		"sequence":    simple(isSequence),
		"iterable":    simple(isIterable),
		"callable":    simple(isCallable),
		"escaped":     simple(func(v any) bool { _, ok := v.(markup); return ok }),
		"lower":       caseTest(isLower),
		"upper":       caseTest(isUpper),
		"odd":         func(s *state, v any, a args) bool { a.bind(s); return s.equal(s.binary("%", v, int64(2)), int64(1)) },
		"even":        func(s *state, v any, a args) bool { a.bind(s); return s.equal(s.binary("%", v, int64(2)), int64(0)) },
		"divisibleby": testDivisible,
		"sameas":      func(s *state, v any, a args) bool { return s.same(v, a.bind(s, "other")[0]) },
		"in":          func(s *state, v any, a args) bool { return s.contains(a.bind(s, "seq")[0], v) },
		"filter":      func(s *state, v any, a args) bool { a.bind(s); t, _ := text(v); return filters[t] != nil },
		"test":        func(s *state, v any, a args) bool { a.bind(s); t, _ := text(v); return tests[t] != nil },
	}
	for op, names := range map[string][]string{
		"==": {"==", "eq", "equalto"}, "!=": {"!=", "ne"}, "<": {"<", "lt", "lessthan"},
		"<=": {"<=", "le"}, ">": {">", "gt", "greaterthan"}, ">=": {">=", "ge"},
	} {
		for _, name := range names {
			tests[name] = func(s *state, v any, a args) bool { return s.compare(op, v, a.bind(s, "other")[0]) }
		}
	}
}

func simple(f func(v any) bool) func(s *state, v any, a args) bool {
	return func(s *state, v any, a args) bool {
		a.bind(s)
		return f(v)
	}
}

func caseTest(wanted func(r rune) bool) func(s *state, v any, a args) bool {
	return func(s *state, v any, a args) bool {
		a.bind(s)
		return hasCase(s.str(v), wanted)
	}
}

func testDivisible(s *state, v any, a args) bool {
	return s.equal(s.binary("%", v, a.bind(s, "num")[0]), int64(0))
}

func isUndefined(v any) bool {
	_, ok := v.(*undefined)
	return ok
}

func isInteger(v any) bool {
	_, isBool := v.(bool)
	_, ok := bigInt(v)
	return ok && !isBool
}

// isSequence says that v has a length and items by index or key.
func isSequence(v any) bool {
	switch v.(type) {
	case string, markup, *list, *tuple, *dict, *rangeValue, *undefined:
		return true
	}
	return false
}

func isIterable(v any) bool {
	switch v.(type) {
	case string, markup, *list, *tuple, *dict, *rangeValue, *undefined, *view, *generator, *loopValue:
		return true
	}
	return false
}

func isCallable(v any) bool {
	switch v.(type) {
	case function, *macro, *joiner, *loopValue, *undefined:
		return true
	}
	return false
}
