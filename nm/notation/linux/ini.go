package linux

import (
	"strings"

	"nmgre/nm/notation"
)

// iniEntry is a line of a file with sections: [SECTION], or NAME=VALUE.
type iniEntry struct {
	i                    int // the index of the line
	section, name, value string
	opens                bool // it opens the section
}

// eachIni hands each line of the files with sections to use. A line of neither kind is refused.
func eachIni(r *notation.Reading, use func(iniEntry)) {
	section, file := "", ""
	for i := range r.Lines {
		text := strings.TrimSpace(r.Lines[i].Text)
		if r.Lines[i].File != file {
			section, file = "", r.Lines[i].File
		}
		if text == "" || text[0] == '#' || text[0] == ';' {
			continue
		}
		if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
			section = text[1 : len(text)-1]
			use(iniEntry{i: i, section: section, opens: true})
			continue
		}
		name, value, found := strings.Cut(text, "=")
		if !found || section == "" {
			r.Refuse(i, "%s is neither a section nor a setting", notation.Word(text))
			continue
		}
		use(iniEntry{i: i, section: section, name: strings.TrimSpace(name), value: strings.TrimSpace(value)})
	}
}
