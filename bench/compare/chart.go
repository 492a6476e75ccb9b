package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"
)

// chart is a picture of trainings and generation: a bar per side, its length the
// logarithm of its tokens a second.
func (r *results) chart() []byte {
	const left, width, bar, gap = 110, 560, 16, 10
	type line struct {
		text string
		rate float64
		ours bool
	}
	var groups [][]line
	var names []string
	least, most := math.Inf(1), 0.0
	for _, c := range r.Cases {
		if c.Unit != "tokens/s" || strings.HasPrefix(c.Case, "length/") {
			continue
		}
		var g []line
		for _, s := range c.Sides {
			g = append(g, line{s.Side, s.Rate, strings.HasPrefix(s.Side, "ftmetal")})
			least, most = min(least, s.Rate), max(most, s.Rate)
		}
		groups, names = append(groups, g), append(names, c.Case)
	}
	low := math.Floor(math.Log10(least)) - 0.3
	scale := width / (math.Log10(most) - low)
	var b bytes.Buffer
	y := 40
	for i, g := range groups {
		fmt.Fprintf(&b, `<text x="8" y="%d" font-weight="bold">%s</text>`+"\n", y+12, names[i])
		y += bar + 2
		for _, l := range g {
			fill := "#9aa4b0"
			if l.ours {
				fill = "#d9541e"
			}
			w := (math.Log10(l.rate) - low) * scale
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text><rect x="%d" y="%d" width="%.0f" height="%d" fill="%s"/><text x="%.0f" y="%d">%s</text>`+"\n",
				left-6, y+12, l.text, left, y, w, bar-3, fill, left+w+4, y+12, rate(l.rate))
			y += bar
		}
		y += gap
	}
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 %d" font-family="sans-serif" font-size="12">`+"\n"+
		`<rect width="760" height="%d" fill="white"/>`+"\n"+`<text x="8" y="20">tokens a second, logarithmic; %s</text>`+"\n", y, y, r.Machine)
	return append([]byte(head), append(b.Bytes(), "</svg>\n"...)...)
}
