package train

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// YAML is the configuration as a settings file: what differs from the defaults
// as keys, the rest as comments. Resolve reads it back as c.
func (c *Config) YAML() string {
	var b strings.Builder
	base := DefaultConfig(c.Compat).Options()
	written := map[string]bool{}
	opts := c.Options()
	for i, o := range opts {
		group, _, nested := strings.Cut(o.Name, ".")
		switch {
		case !nested:
			b.WriteString(yamlLine(o.Name, o.Value, changed(opts, base, i) || o.Name == "compat" && c.Compat != "", ""))
		case !written[group]:
			written[group] = true
			b.WriteString(yamlGroup(group, opts, base))
		}
	}
	return b.String()
}

// partners are options that lose their default once the other one is given.
var partners = map[string]string{"lora_parameters.scale": "lora_parameters.alpha", "warmup_ratio": "lr_schedule.warmup", "lr_schedule.warmup": "warmup_ratio"}

// changed reports whether option i, or the one that would reset it, differs
// from its default.
func changed(opts, base []Option, i int) bool {
	differs := func(j int) bool { return !reflect.DeepEqual(opts[j].Value, base[j].Value) }
	partner := slices.IndexFunc(opts, func(o Option) bool { return o.Name == partners[opts[i].Name] })
	return differs(i) || partner >= 0 && differs(partner)
}

// yamlGroup writes the options of a nested map.
func yamlGroup(group string, opts, base []Option) string {
	var lines strings.Builder
	any := false
	for i, o := range opts {
		name, ok := strings.CutPrefix(o.Name, group+".")
		if !ok {
			continue
		}
		c := changed(opts, base, i)
		any = any || c
		lines.WriteString(yamlLine(name, o.Value, c, "  "))
	}
	head := group + ":\n"
	if !any {
		head = "# " + head
	}
	return head + lines.String()
}

func yamlLine(name string, field any, changed bool, indent string) string {
	mark := ""
	if !changed {
		mark = "# "
	}
	return mark + indent + name + ": " + yamlValue(field) + "\n"
}

// yamlValue writes the value that an option's pointer points to.
func yamlValue(field any) string {
	switch p := field.(type) {
	case *string:
		return yamlString(*p)
	case *int:
		return strconv.Itoa(*p)
	case *float64:
		return strconv.FormatFloat(*p, 'g', -1, 64)
	case *bool:
		return strconv.FormatBool(*p)
	case *[]string:
		parts := make([]string, len(*p))
		for i, s := range *p {
			parts[i] = yamlString(s)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *[]float64:
		parts := make([]string, len(*p))
		for i, f := range *p {
			parts[i] = strconv.FormatFloat(f, 'g', -1, 64)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return "null"
}

// yamlString quotes a string where YAML needs it.
func yamlString(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_./-", r))
	}) < 0
	if plain && s[0] != '-' && s != "null" {
		return s
	}
	return strconv.Quote(s)
}

// Text is an option's value as a flag takes it.
func Text(o Option) string {
	switch p := o.Value.(type) {
	case *string:
		return *p
	case *[]string:
		return strings.Join(*p, ",")
	}
	return strings.NewReplacer("[", "", "]", "", " ", "").Replace(yamlValue(o.Value))
}
