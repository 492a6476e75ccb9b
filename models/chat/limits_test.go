package chat

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hostileTemplates would run for ever, or take all memory, or overflow the stack. want
// is in the error.
func hostileTemplates() map[string]struct{ src, want string } {
	grow := func(step string) string {
		return "{% set ns = namespace(s='x' * 1000, l=[1], n=0) %}{% for i in range(100000) %}{% set " + step + " %}{% endfor %}{{ ns.n }}"
	}
	times := func(body string) string { return "{% for i in range(100000) %}" + body + "{% endfor %}" }
	share := "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(100) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}"
	deep := "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}{% endfor %}"
	return map[string]struct{ src, want string }{
		"loops":           {"{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "steps"},
		"filter loops":    {"{% for a in range(100000) %}{{ range(100000)|sum }}{% endfor %}", "steps"},
		"macro":           {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nested evaluations"},
		"two macros":      {"{% macro f(n) %}{{ f(n + 1) if n < 50 }}{{ f(n + 1) if n < 50 }}{% endmacro %}{{ f(0) }}", "steps"},
		"call":            {"{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}", "nested evaluations"},
		"recursive loop":  {"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "nested evaluations"},
		"double text":     {grow("ns.s = ns.s ~ ns.s"), "memory"},
		"add text":        {grow("ns.s = ns.s + ns.s"), "memory"},
		"replace":         {grow("ns.s = ns.s|replace('x', 'xx')"), "memory"},
		"join":            {grow("ns.s = [ns.s, ns.s]|join"), "memory"},
		"format":          {grow("ns.s = '%s%s' % (ns.s, ns.s)"), "memory"},
		"brace format":    {grow("ns.s = '{0}{0}'.format(ns.s)"), "memory"},
		"escape":          {grow("ns.s = (ns.s|replace('x', '&'))|e|string"), "memory"},
		"double list":     {grow("ns.l = ns.l + ns.l"), "memory"},
		"hoard lists":     {grow("ns.l = ns.l + [range(1000)|list]"), "memory"},
		"hoard runes":     {grow("ns.l = ns.l + [ns.s|list]"), "memory"},
		"hoard sets":      {grow("ns.l = ns.l + [{1: 2, 3: 4, 5: 6}]"), "memory"},
		"repeat":          {"{{ 'x' * 10 ** 12 }}", "memory"},
		"repeat list":     {"{{ [1] * 10 ** 12 }}", "memory"},
		"output":          {"{% set x = 'x' * 1000000 %}{% for i in range(100000) %}{{ x }}{% endfor %}", "memory"},
		"power":           {"{{ 9 ** (9 ** 9) }}", "bits"},
		"product":         {"{% set ns = namespace(n=3) %}{% for i in range(100) %}{% set ns.n = ns.n * ns.n %}{% endfor %}", "bits"},
		"shared repr":     {share + "{{ ns.l }}", "steps"},
		"shared tojson":   {share + "{{ ns.l|tojson }}", "steps"},
		"shared equality": {share + "{{ ns.l == ns.m }}", "steps"},
		"shared order":    {share + "{{ ns.l < ns.m }}", "steps"},
		"deep repr":       {deep + "{{ ns.l }}", "nested evaluations"},
		"deep tojson":     {deep + "{{ ns.l|tojson }}", "nested evaluations"},
		"deep equality":   {deep + "{{ ns.l == ns.m }}", "nested evaluations"},
		"deep order":      {deep + "{{ ns.l < ns.m }}", "nested evaluations"},
		"deep key":        {"{% set ns = namespace(t=(1,)) %}{% for i in range(10000) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ {ns.t: 1} }}", "hash"},
		"center":          {"{{ 'x'.center(10 ** 12) }}", "memory"},
		"center filter":   {"{{ 'x'|center(10 ** 12) }}", "memory"},
		"zfill":           {"{{ 'x'.zfill(10 ** 12) }}", "memory"},
		"indent":          {"{{ ('a\\n' * 1000000)|indent(1000000) }}", "memory"},
		"tojson indent":   {"{{ ([1] * 100000)|tojson(indent=1000000) }}", "memory"},
		"percent width":   {"{{ '%1000000000d' % 1 }}", "width"},
		"percent star":    {"{{ '%*d' % (1000000000, 1) }}", "integer of at most"},
		"brace width":     {"{{ '{:1000000000}'.format(1) }}", "invalid format"},
		"percent many":    {"{{ ('%60000d' * 100000) % ((1,) * 100000) }}", "memory"},
		"batch":           {"{{ [1]|batch(4000000, 'x')|list|length }}{{ [1]|batch(4000000000, 'x')|list }}", "batch"},
		"slice":           {"{{ [1]|slice(10 ** 12)|list }}", "memory"},
		"range":           {"{{ range(100001) }}", "range"},
		"huge range":      {"{{ range(2 ** 62, 2 ** 63) }}", "too large"},
		"parentheses":     {"{{ " + strings.Repeat("(", 100000) + "1" + strings.Repeat(")", 100000) + " }}", "nested more than"},
		"brackets":        {"{{ " + strings.Repeat("[", 100000), "nested more than"},
		"unary":           {"{{ " + strings.Repeat("-", 100000) + "1 }}", "nested more than"},
		"not":             {"{{ " + strings.Repeat("not ", 100000) + "1 }}", "nested more than"},
		"else":            {"{{ " + strings.Repeat("1 if 0 else ", 100000) + "1 }}", "nested more than"},
		"blocks":          {strings.Repeat("{% if 1 %}", 100000), "nested more than"},
		"targets":         {"{% set " + strings.Repeat("(", 100000) + "x", "nested more than"},
		"sum of many":     {"{{ 1" + strings.Repeat("+1", 100000) + " }}", "nested evaluations"},
		"many attributes": {"{{ x" + strings.Repeat(".x", 100000) + " }}", "nested evaluations"},
		"large":           {strings.Repeat("x", maxSource+1), "over the limit"},
		"scan length":     {"{% set x = 'é' * 500000 %}" + times("{% if x|length %}{% endif %}{% if x.upper %}{% endif %}{{ x[5] }}"), "steps"},
		"scan equality":   {"{% set x, y = 'é' * 500000 ~ 'a', 'é' * 500000 ~ 'b' %}" + times("{{ x == y }}{{ x < y }}{{ y in x }}"), "steps"},
		"scan keys":       {"{% set x = 'é' * 500000 %}{% set d = {x: 1} %}" + times("{{ d[x] }}{{ x in d }}{{ d.get(x) }}{{ dict(d)|length }}{{ d == d.copy() }}"), "steps"},
		"scan case":       {"{% set x = 'a' * 1000000 %}" + times("{{ x is lower }}{{ x.isalpha() }}{{ x.find('b') }}{{ x|trim|length }}{{ x|int }}"), "steps"},
		"scan format":     {"{% set x = '%%' * 500000 %}" + times("{{ (x % ())|length }}{{ (x|replace('b', ''))|length }}{{ x|wordcount }}"), "steps"},
		"big integers":    {"{% set x = 3 ** 10000 %}" + times("{{ (x // 7) % 2 }}{{ (x ~ '')|length }}{{ x > 1.5 }}"), "steps"},
		"long name":       {"{{ " + strings.Repeat("x", 100000) + " }}", "a name of"},
		"large integer":   {"{{ 1" + strings.Repeat("0", 100000) + " }}", "too large"},
	}
}

func TestHostileTemplatesEnd(t *testing.T) {
	for name, c := range hostileTemplates() {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			tmpl, err := Parse("hostile", c.src)
			if err == nil {
				tmpl.steps = maxSteps / 16 // less waiting
				_, _, err = tmpl.Render(Input{})
			}
			require.ErrorContains(t, err, "hostile:")
			if c.want == "memory" {
				require.Regexp(t, "bytes|items|steps", err.Error())
			} else {
				require.ErrorContains(t, err, c.want)
			}
			require.Less(t, time.Since(start), time.Minute)
		})
	}
}
