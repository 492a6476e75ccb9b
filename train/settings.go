package train

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Setting is one option as text, from a flag: a name with dashes or
// underscores, or a synonym, and its value. Lists have commas.
type Setting struct{ Name, Value string }

// Resolve is the configuration of a run: defaults, then the YAML file at path
// ("" for none), then flags. Which defaults those are depends on compat, so
// that is looked up first. given holds the options that were set, by name.
func Resolve(path string, flags []Setting) (cfg *Config, given map[string]bool, err error) {
	var file []entry
	if path != "" {
		if file, err = readSettings(path); err != nil {
			return nil, nil, err
		}
	}
	over := make([]entry, len(flags))
	for i, f := range flags {
		over[i] = entry{name: f.Name, value: textValue(f.Value)}
	}
	first := DefaultConfig("")
	if _, err := merge(first, file, over); err != nil {
		return nil, nil, err
	}
	cfg = DefaultConfig(first.Compat)
	given, err = merge(cfg, file, over)
	return cfg, given, err
}

// LoadSettings reads a YAML file into base. Nested keys and their dotted names
// are the same; every synonym of an option works. Errors have the form
// file:line: reason.
func LoadSettings(path string, base *Config) error {
	file, err := readSettings(path)
	if err != nil {
		return err
	}
	_, err = merge(base, file, nil)
	return err
}

// Set sets one option from text, as a flag does.
func Set(c *Config, name, text string) error {
	_, err := merge(c, nil, []entry{{name: name, value: textValue(text)}})
	return err
}

// entry is a setting on its way into a Config.
type entry struct {
	where string // "file:line: " or ""
	name  string
	value value
}

// value is what a setting was given, before its option says how to read it.
type value struct {
	text   string
	list   []string
	isList bool
	quoted bool // in YAML: certainly text
	group  bool // a nested map
}

// textValue is the value of a flag, which fits lists and scalars.
func textValue(text string) value {
	v := value{text: text}
	if text != "" {
		v.list = strings.Split(text, ",")
	}
	return v
}

func (v value) String() string {
	switch {
	case v.group:
		return "a group of keys"
	case v.isList:
		return "[" + strings.Join(v.list, ", ") + "]"
	}
	return strconv.Quote(v.text)
}

// merge puts the entries of a file and then of flags into c, and settles the
// options that stand in for each other.
func merge(c *Config, file, flags []entry) (map[string]bool, error) {
	var later []entry // optimizer_config: counts for the chosen optimizer only
	var now []entry
	for _, e := range file {
		if strings.HasPrefix(e.name, "optimizer_config.") {
			later = append(later, e)
		} else {
			now = append(now, e)
		}
	}
	given, err := c.applyLayer(now)
	if err != nil {
		return nil, err
	}
	over, err := c.applyLayer(flags)
	if err != nil {
		return nil, err
	}
	optimizer, err := c.applyOptimizerConfig(later, given, over)
	if err != nil {
		return nil, err
	}
	for _, m := range []map[string]bool{optimizer, over} {
		for name := range m {
			given[name] = true
		}
	}
	if c.MaxSteps > 0 {
		c.Iters, c.Epochs = c.MaxSteps*c.GradAccumulationSteps, 0
	}
	c.MaxSteps = 0
	return given, nil
}

// applyLayer applies entries of one source. An option given here puts out of
// force the options of earlier layers that would overrule it.
func (c *Config) applyLayer(entries []entry) (map[string]bool, error) {
	seen := map[string]bool{}
	by := map[string]string{}
	for _, e := range entries {
		names, err := c.apply(e)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if other, dup := by[n]; dup && e.where != "" {
				return nil, fmt.Errorf("%s%s is given twice, here and as %s", e.where, e.name, other)
			}
			by[n], seen[n] = e.name, true
		}
	}
	if seen["max_steps"] && c.MaxSteps > 0 && seen["iters"] {
		return nil, fmt.Errorf("%smax_steps and iters both say how long to train: remove one", firstWhere(entries, by["max_steps"]))
	}
	length := seen["iters"] || seen["max_steps"] && c.MaxSteps > 0
	for _, r := range []struct {
		when bool
		drop func()
	}{
		{length && !seen["num_epochs"], func() { c.Epochs = 0 }},
		{(seen["iters"] || seen["num_epochs"]) && !seen["max_steps"], func() { c.MaxSteps = 0 }},
		{seen["lora_parameters.alpha"] && !seen["lora_parameters.scale"], func() { c.Scale = 0 }},
		{seen["lr_schedule.warmup"] && !seen["warmup_ratio"], func() { c.WarmupRatio = 0 }},
		{seen["warmup_ratio"] && !seen["lr_schedule.warmup"], func() { c.Warmup = 0 }},
	} {
		if r.when {
			r.drop()
		}
	}
	return seen, nil
}

func firstWhere(entries []entry, name string) string {
	for _, e := range entries {
		if e.name == name {
			return e.where
		}
	}
	return ""
}

// applyOptimizerConfig applies optimizer_config.NAME.* where NAME is the
// optimizer in use. Those of other optimizers are checked and left out, as are
// those that a flag has set.
func (c *Config) applyOptimizerConfig(entries []entry, given, flags map[string]bool) (map[string]bool, error) {
	set := map[string]bool{}
	for _, e := range entries {
		trial := *c
		names, err := trial.apply(e)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(e.name, "optimizer_config."+c.Optimizer+".") || slices.ContainsFunc(names, func(n string) bool { return flags[n] }) {
			continue
		}
		for _, n := range names {
			if given[n] || set[n] {
				return nil, fmt.Errorf("%s%s is given twice, here and as %s", e.where, e.name, n)
			}
			set[n] = true
		}
		*c = trial
	}
	return set, nil
}

// apply sets the option that e names and returns its name (two for betas).
func (c *Config) apply(e entry) ([]string, error) {
	key := strings.ReplaceAll(e.name, "-", "_")
	if why, ok := refused[key]; ok {
		return nil, fmt.Errorf("%s%s: %s", e.where, e.name, why)
	}
	if of, ok := inverted[key]; ok {
		return c.applyInverted(e, of)
	}
	if key == "optimizer_config.adam.betas" || key == "optimizer_config.adamw.betas" {
		var betas []float64
		if err := assign(Option{Name: e.name, Value: &betas}, e.value); err != nil || len(betas) != 2 {
			return nil, fmt.Errorf("%s%s is %v, want a list of 2 numbers", e.where, e.name, e.value)
		}
		c.Beta1, c.Beta2 = betas[0], betas[1]
		return []string{"adam_beta1", "adam_beta2"}, nil
	}
	o, ok := c.Lookup(key)
	if !ok {
		return nil, fmt.Errorf("%s%w", e.where, unknown("key", e.name, settingNames()))
	}
	if err := assign(o, e.value); err != nil {
		return nil, fmt.Errorf("%s%s %w", e.where, e.name, err)
	}
	return []string{o.Name}, nil
}

func (c *Config) applyInverted(e entry, of string) ([]string, error) {
	o, _ := c.Lookup(of)
	if err := assign(o, e.value); err != nil {
		return nil, fmt.Errorf("%s%s %w", e.where, e.name, err)
	}
	b := o.Value.(*bool)
	*b = !*b
	return []string{o.Name}, nil
}

// inverted are names whose value is the opposite of an option's.
var inverted = map[string]string{"assistant_only_loss": "train_on_all", "train_on_completions": "train_on_all"}

// synonyms are other tools' words for values.
var synonyms = map[string]map[string]string{
	"optimizer":        {"adamw_torch": "adamw", "adamw_torch_fused": "adamw", "adamw_hf": "adamw"},
	"dtype":            {"fp32": "float32", "f32": "float32", "bf16": "bfloat16", "fp16": "float16", "f16": "float16"},
	"lr_schedule.name": {"constant_with_warmup": "constant"},
	"grad_checkpoint":  {"true": "on", "false": "off"},
	"resume":           {"true": "auto", "false": ""},
	"cache_frozen":     {"true": "memory", "on": "memory", "false": "off"},
}

// assign reads v into the option's field; the error continues a sentence that
// begins with the option's name.
func assign(o Option, v value) error {
	want := func(what string) error { return fmt.Errorf("is %v, want %s", v, what) }
	switch p := o.Value.(type) {
	case *[]string:
		if v.group {
			return want("a list of names")
		}
		*p = items(v)
		return nil
	case *[]float64:
		out := make([]float64, 0, len(v.list))
		for _, s := range items(v) {
			f, err := parseFloat(s)
			if err != nil || v.quoted || v.group {
				return want("a list of numbers")
			}
			out = append(out, f)
		}
		*p = out
		return nil
	}
	if v.isList || v.group {
		return want(typeWords(o))
	}
	return assignScalar(o, v, want)
}

func assignScalar(o Option, v value, want func(string) error) error {
	switch p := o.Value.(type) {
	case *string:
		*p = v.text
		if s, ok := synonyms[o.Name][strings.ToLower(v.text)]; ok {
			*p = s
		}
	case *int:
		n, err := parseInt(v.text)
		if err != nil || v.quoted {
			return want(typeWords(o))
		}
		*p = n
	case *float64:
		f, err := parseFloat(v.text)
		if err != nil || v.quoted {
			return want(typeWords(o))
		}
		*p = f
	case *bool:
		b, ok := map[string]bool{"true": true, "yes": true, "on": true, "false": false, "no": false, "off": false}[strings.ToLower(v.text)]
		if !ok || v.quoted {
			return want(typeWords(o))
		}
		*p = b
	}
	return nil
}

// items are the elements of a list, or the one that stands for it.
func items(v value) []string {
	out := []string{}
	for _, s := range v.list {
		out = append(out, strings.TrimSpace(s))
	}
	return out
}

// typeWords names the type of an option's value in an error.
func typeWords(o Option) string {
	switch o.Value.(type) {
	case *int:
		return "a whole number"
	case *float64:
		return "a number"
	case *bool:
		return "true or false"
	}
	return "text"
}

// parseInt accepts 8, 8.0 and 1e3, but no fractions.
func parseInt(s string) (int, error) {
	if n, err := strconv.Atoi(s); err == nil {
		return n, nil
	}
	f, err := parseFloat(s)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return int(f), nil
}

// parseFloat accepts decimal notation only: no hexadecimal, no nan, no inf.
func parseFloat(s string) (float64, error) {
	if strings.Trim(s, "+-.0123456789eE") != "" || s == "" {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return strconv.ParseFloat(s, 64)
}
