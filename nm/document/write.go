package document

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"nmgre/nm"
)

// plainWord is a text that YAML takes for a text, or for the number that it is.
var plainWord = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9/][a-zA-Z0-9./_ =-]*$`) })

// numberLike is a text that YAML would take for something else than a text.
var numberLike = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^([0-9][0-9_.]*(e[+-]?[0-9]+)?|0x[0-9a-f_]+|0o[0-7_]+|0b[01_]+|y|n|yes|no|on|off|true|false|null|~|[0-9]+-[0-9]+-[0-9]+.*)$`)
})

// scalar writes a value as YAML. A text is quoted if YAML could take it for something else.
func scalar(f *field, value string) string {
	if f.form == number || f.form == boolean {
		return value
	}
	if plainWord().MatchString(value) && !numberLike().MatchString(value) && value[len(value)-1] != ' ' {
		return value
	}
	return quote(value)
}

// quote writes a text in YAML's double quotes, in ASCII.
func quote(value string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range value {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, "\\U%08X", r)
		default:
			fmt.Fprintf(&b, "\\u%04X", r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Write returns the document that wants the tunnels, each a whole one, as [nm.Tunnel.WithKept]
// returns it. [Parse] reads the same tunnels from it. A value that is the default is left out.
func Write(tunnels []nm.Tunnel) string {
	if len(tunnels) == 0 {
		return "tunnels: []\n"
	}
	var b strings.Builder
	b.WriteString("tunnels:\n")
	for _, t := range tunnels {
		for i, line := range Lines(t) {
			lead := "    "
			if i == 0 {
				lead = "  - "
			}
			b.WriteString(lead + line + "\n")
		}
	}
	return b.String()
}

// Lines returns the fields of one tunnel that are not the defaults, as [Write] writes them.
func Lines(t nm.Tunnel) []string {
	var out []string
	for i := range fields {
		f := &fields[i]
		values := f.write(t)
		switch {
		case len(values) == 0:
		case f.form != list:
			out = append(out, f.name+": "+scalar(f, values[0]))
		default:
			out = append(out, f.name+":")
			for _, v := range values {
				out = append(out, "  - "+scalar(f, v))
			}
		}
	}
	return out
}

// Fields returns the fields of a tunnel that are not the defaults, as JSON has them: texts, numbers
// as they are written, and lists of texts.
func Fields(t nm.Tunnel) map[string]any {
	out := make(map[string]any)
	for i := range fields {
		f := &fields[i]
		values := f.write(t)
		switch {
		case len(values) == 0:
		case f.form == list:
			out[f.name] = values
		case f.form == boolean:
			out[f.name] = values[0] == "true"
		case f.form == number && !slices.Contains(f.words, values[0]):
			out[f.name] = jsonNumber(values[0])
		default:
			out[f.name] = values[0]
		}
	}
	return out
}

// FieldName returns the name that a field has in a document, for a flag of `nmgre create`.
func FieldName(flag string) string { return fieldOf(flag) }
