package notation

import (
	"slices"
	"strconv"
	"strings"
)

// NoTable is a route or a rule of a tunnel in a table whose name this host does not know.
type NoTable struct {
	At    int    // the index of its line
	Field string // route or rule
	Name  string // the table's
}

// strangeTables are the numbers that stand for unknown tables while an input is read.
const strangeTables = 0xffff0000

// Numbered puts numbers in the places of tables that this host does not know among the words of a
// route or a rule. It returns the name of such a table, or the empty string.
func (r *Reading) Numbered(words []string) ([]string, string) {
	for at := 1; at < len(words); at++ {
		word, name := words[at-1], words[at]
		if len(word) < 2 || !strings.HasPrefix("table", word) && !strings.HasPrefix("lookup", word) {
			continue
		}
		if _, known := r.Names.Table(name); known || name == "" || strings.Trim(name, "0123456789abcdefx-") == "" {
			continue // words like numbers are for the parser
		}
		number, there := r.strange[name]
		if !there {
			if r.strange == nil {
				r.strange = map[string]uint16{}
			}
			number = uint16(len(r.strange)) //nolint:gosec // names that share a number do no harm
			r.strange[name] = number
		}
		words = slices.Clone(words)
		words[at] = strconv.FormatUint(strangeTables+uint64(number), 10)
		return words, name
	}
	return words, ""
}

// Miss notes that the route or rule of a line is in a table that this host does not know. Without
// it the tunnel is not that of the input, and so none is made.
func (r *Reading) Miss(f *Found, i int, field, table string) {
	if table != "" && !r.Far {
		r.Refuse(i, "this host has no table %s", Word(table))
		f.NoTables = append(f.NoTables, NoTable{i, field, table})
	}
}
