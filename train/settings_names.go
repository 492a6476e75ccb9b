package train

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// refused are settings of mlx-lm that have no meaning here, with what to do
// instead.
var refused = map[string]string{
	"hf_dataset":            "data sets are not downloaded: save the data as train.jsonl and give its folder as data",
	"report_to":             "no reporting service is built in: use log_json to write every event to a file",
	"project_name":          "no reporting service is built in: use log_json to write every event to a file",
	"trust_remote_code":     "no code of a model folder is ever run: remove the key",
	"clear_cache_threshold": "memory is planned before the run, so there is no cache to clear: remove the key",
	"config":                "a settings file cannot name another one: give it with -c",
}

// Unknown is the error for a flag that does not exist: why mlx-lm's name has no
// meaning here, or which of the known names was probably meant.
func Unknown(flag string, known []string) error {
	key := strings.ReplaceAll(flag, "-", "_")
	if why, ok := refused[key]; ok && key != "config" {
		return fmt.Errorf("--%s: %s", flag, strings.Replace(why, "remove the key", "leave the flag out", 1))
	}
	return unknown("flag", flag, known)
}

// unknown is the error for a name that does not exist; kind is "key" or "flag".
func unknown(kind, name string, known []string) error {
	show := func(s string) string { return fmt.Sprintf("%q", s) }
	if kind == "flag" {
		show = func(s string) string { return "--" + strings.ReplaceAll(s, "_", "-") }
	}
	text := fmt.Sprintf("unknown %s %s", kind, show(name))
	if near := Nearest(strings.ReplaceAll(name, "-", "_"), known); near != "" {
		text += fmt.Sprintf(" (did you mean %s?)", show(near))
	}
	return errors.New(text)
}

// settingNames lists every name that a setting may have.
func settingNames() []string {
	names := []string{"optimizer_config.adam.betas", "optimizer_config.adamw.betas"}
	for _, o := range new(Config).Options() {
		names = append(append(names, o.Name), o.Aliases...)
	}
	for n := range inverted {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Nearest is the known name that name was probably meant to be, or "": the last
// part of a dotted name, or the one with the fewest letters changed (at most a
// third of them).
func Nearest(name string, known []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, k := range known {
		if strings.HasSuffix(k, "."+name) {
			return k
		}
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	if least >= len(name) {
		return ""
	}
	return best
}

// distance is Levenshtein's: letters to insert, delete or replace.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j, q := range y {
			cost := diagonal
			if r != q {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(y)]
}
