package chat

// expr is an expression of a template.
type expr interface{ eval(s *state) any }

// stmt is a statement of a template.
type stmt interface{ exec(s *state) control }

// control says how a statement ended.
type control byte

const (
	ctlNext control = iota
	ctlBreak
	ctlContinue
)

// Expressions. line is where errors of the node are reported.
type (
	constant  struct{ value any }
	name      struct{ id string }
	listExpr  struct{ items []expr }
	tupleExpr struct{ items []expr }
	dictExpr  struct {
		line       int
		keys, vals []expr
	}
	unary struct {
		line int
		op   string // "-", "+" or "not"
		x    expr
	}
	binary struct {
		line int
		op   string
		l, r expr
	}
	logical struct {
		and  bool
		l, r expr
	}
	concat  struct{ items []expr }
	compare struct {
		line  int
		first expr
		ops   []string
		rest  []expr
	}
	condExpr struct{ test, then, alt expr } // alt is nil without else
	getAttr  struct {
		line int
		x    expr
		attr string
	}
	getItem struct {
		line int
		x    expr
		key  expr
	}
	slice struct {
		line              int
		x                 expr
		start, stop, step expr // nil if left out
	}
	call struct {
		line int
		fn   expr
		args argExprs
	}
	filterExpr struct {
		line int
		x    expr // nil in set blocks and filter blocks, which pass their text
		name string
		args argExprs
	}
	testExpr struct {
		line int
		x    expr
		name string
		args argExprs
	}
)

// argExprs are the arguments of a call.
type argExprs struct {
	pos     []expr
	names   []string
	named   []expr
	star    expr // *args
	starMap expr // **kwargs
}

// Statements.
type (
	textStmt   struct{ text string }
	outputStmt struct {
		line int
		x    expr
	}
	setStmt struct {
		line   int
		target target
		x      expr
	}
	setBlock struct {
		line    int
		target  target
		filters []*filterExpr
		body    []stmt
	}
	ifStmt struct {
		line  int
		tests []expr
		then  [][]stmt // as many as tests, and one more for else
	}
	forStmt struct {
		line       int
		target     target
		iter, test expr
		recursive  bool
		body, alt  []stmt
	}
	withStmt struct {
		line    int
		targets []target
		values  []expr
		body    []stmt
	}
	macroStmt struct{ def *macroDef }
	callBlock struct {
		line int
		call *call
		def  *macroDef
	}
	filterBlock struct {
		filters []*filterExpr
		body    []stmt
	}
	generationStmt struct{ body []stmt }
	controlStmt    struct{ ctl control }
)

// target is what an assignment binds: a name, an attribute of a namespace or a
// tuple of these.
type target struct {
	name  string
	attr  string // of the namespace called name
	items []target
	tuple bool
}

// macroDef is the code of a macro or of a call block.
type macroDef struct {
	name     string
	params   []string
	defaults []expr // of the last parameters
	body     []stmt
	// What the body uses beyond its parameters.
	usesCaller, usesKwargs, usesVarargs bool
}
