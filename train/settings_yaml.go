package train

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// readSettings reads a YAML file as a flat list of dotted names.
func readSettings(path string) ([]entry, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return parseSettings(path, raw)
}

// parseSettings flattens one YAML document: a map of scalars, lists of scalars,
// and such maps. Null leaves an option as it is, so it gives no entry.
func parseSettings(path string, raw []byte) ([]entry, error) {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, yamlError(path, err)
	}
	if err := dec.Decode(&second); err == nil {
		return nil, fmt.Errorf("%s:%d: a second YAML document begins here, want one", path, second.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(path, err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, nil
	}
	f := flattener{path: path, lines: map[string]int{}, groups: groupNames()}
	root := doc.Content[0]
	if isNull(root) {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: want a map of settings such as \"model: DIR\"", path, root.Line)
	}
	err := f.walk(root, "")
	return f.out, err
}

// yamlError puts a parser's message in the form file:line: reason.
func yamlError(path string, err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	text = strings.TrimPrefix(text, "yaml: ")
	var line int
	if i := strings.Index(text, "line "); i >= 0 {
		digits := text[i+5:]
		if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
			digits = digits[:end]
		}
		line, _ = strconv.Atoi(digits)
	}
	if line == 0 {
		return fmt.Errorf("%s: %s", path, text)
	}
	return fmt.Errorf("%s:%d: not YAML: %s", path, line, text)
}

// groupNames are the maps that settings may be nested in.
func groupNames() map[string]bool {
	groups := map[string]bool{}
	for _, n := range settingNames() {
		for i, r := range n {
			if r == '.' {
				groups[n[:i]] = true
			}
		}
	}
	groups["optimizer_config.adafactor"] = true // of mlx-lm's defaults, without options here
	return groups
}

// flattener turns nested maps into dotted names.
type flattener struct {
	path   string
	out    []entry
	lines  map[string]int
	groups map[string]bool
}

func (f *flattener) walk(m *yaml.Node, prefix string) error {
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		where := fmt.Sprintf("%s:%d: ", f.path, k.Line)
		if k.Kind != yaml.ScalarNode {
			return fmt.Errorf("%sa key is not plain text", where)
		}
		name := prefix + k.Value
		if line, dup := f.lines[name]; dup {
			return fmt.Errorf("%sduplicate key %q, first given in line %d", where, name, line)
		}
		f.lines[name] = k.Line
		if err := f.add(where, name, v); err != nil {
			return err
		}
	}
	return nil
}

// add appends the entries of one key.
func (f *flattener) add(where, name string, n *yaml.Node) error {
	_, isRefused := refused[name]
	switch {
	case n.Kind == yaml.AliasNode:
		return fmt.Errorf("%s%s: YAML aliases are not read, write the value out", where, name)
	case isNull(n):
		if !f.groups[name] && !isRefused && !known(name) {
			return fmt.Errorf("%s%w", where, unknown("key", name, settingNames()))
		}
	case f.groups[name] && n.Kind == yaml.MappingNode:
		return f.walk(n, name+".")
	case f.groups[name]:
		return fmt.Errorf("%s%s is %q, want keys under it such as %q", where, name, n.Value, firstUnder(name))
	case n.Kind == yaml.MappingNode:
		f.out = append(f.out, entry{where, name, value{group: true}})
	case n.Kind == yaml.SequenceNode:
		v := value{isList: true}
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode || isNull(item) {
				return fmt.Errorf("%s:%d: %s: an element of the list is not a plain value", f.path, item.Line, name)
			}
			v.list, v.quoted = append(v.list, item.Value), v.quoted || isQuoted(item)
		}
		f.out = append(f.out, entry{where, name, v})
	default:
		f.out = append(f.out, entry{where, name, value{text: n.Value, list: []string{n.Value}, quoted: isQuoted(n)}})
	}
	return nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func isQuoted(n *yaml.Node) bool {
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

func known(name string) bool {
	return slices.Contains(settingNames(), strings.ReplaceAll(name, "-", "_"))
}

// firstUnder is an example of a key in a group.
func firstUnder(group string) string {
	for _, n := range settingNames() {
		if strings.HasPrefix(n, group+".") {
			return n[len(group)+1:]
		}
	}
	return group
}
