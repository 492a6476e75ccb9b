package chat

import (
	"fmt"
	"strings"
	"time"
)

// strftimeLayouts are the codes of strftime in Go's layouts.
var strftimeLayouts = map[string]string{
	"Y": "2006", "y": "06", "m": "01", "B": "January", "b": "Jan", "h": "Jan", "d": "02", "e": "_2", "A": "Monday", "a": "Mon",
	"H": "15", "I": "03", "M": "04", "S": "05", "p": "PM", "j": "002",
	"D": "01/02/06", "F": "2006-01-02", "T": "15:04:05", "R": "15:04", "r": "03:04:05 PM",
	"c": "Mon Jan _2 15:04:05 2006", "x": "01/02/06", "X": "15:04:05",
	"-d": "2", "-m": "1", "-I": "3", "-y": "06", "-M": "4", "-S": "5",
}

// strftimeNow is the time of the render, by the codes of C's strftime in the C locale.
func strftimeNow(s *state, a args) any {
	format := a.textArg(s, a.bind(s, "format")[0])
	s.alloc(len(format))
	out, err := strftime(s.now, format)
	if err != nil {
		s.fail("strftime_now: %v", err)
	}
	s.alloc(len(out))
	return out
}

func strftime(t time.Time, format string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		code := format[i:min(i+1, len(format))]
		if code == "-" {
			i++
			code = format[i-1 : min(i+1, len(format))]
		}
		switch code {
		case "%":
			b.WriteByte('%')
		case "n":
			b.WriteByte('\n')
		case "t":
			b.WriteByte('\t')
		case "Z", "z": // Python's now() has no zone
		case "f":
			fmt.Fprintf(&b, "%06d", t.Nanosecond()/1000)
		case "-H":
			fmt.Fprint(&b, t.Hour())
		case "-j":
			fmt.Fprint(&b, t.YearDay())
		case "w":
			fmt.Fprint(&b, int(t.Weekday()))
		case "u":
			fmt.Fprint(&b, (int(t.Weekday())+6)%7+1)
		default:
			layout, ok := strftimeLayouts[code]
			if !ok {
				return "", fmt.Errorf("unknown code %%%s in %q", code, format)
			}
			b.WriteString(t.Format(layout))
		}
	}
	return b.String(), nil
}
