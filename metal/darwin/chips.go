package darwin

import (
	"slices"
	"strings"
)

// Chip is what a GPU can do at most: its roofline.
type Chip struct {
	Name      string  // as Metal names the device
	TFLOPS    float64 // of the arithmetic units, float32 and float16 alike
	Bandwidth float64 // of memory, GB/s
}

// chips are the largest GPU of each chip. The rates follow from published core
// counts and clocks; none was measured by this project.
var chips = []Chip{
	{"Apple M1", 2.6, 68}, {"Apple M1 Pro", 5.3, 200}, {"Apple M1 Max", 10.6, 400}, {"Apple M1 Ultra", 21.2, 800},
	{"Apple M2", 3.6, 100}, {"Apple M2 Pro", 6.8, 200}, {"Apple M2 Max", 13.6, 400}, {"Apple M2 Ultra", 27.2, 800},
	{"Apple M3", 3.5, 100}, {"Apple M3 Pro", 6.4, 150}, {"Apple M3 Max", 14.1, 400}, {"Apple M3 Ultra", 28.2, 819},
	{"Apple M4", 3.8, 120}, {"Apple M4 Pro", 8.1, 273}, {"Apple M4 Max", 16.2, 546},
	{"Apple M5", 4.0, 153}, {"Apple M5 Pro", 8, 307}, {"Apple M5 Max", 16, 614},
}

// Chips lists the table.
func Chips() []Chip { return slices.Clone(chips) }

// ChipOf is the row of the device called name. A chip that the table does not
// have counts as an M1, the slowest; known is false then.
func ChipOf(name string) (chip Chip, known bool) {
	for _, c := range chips {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return Chip{name, chips[0].TFLOPS, chips[0].Bandwidth}, false
}
