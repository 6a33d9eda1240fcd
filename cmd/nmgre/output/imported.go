package output

import (
	"fmt"
	"io"

	"nmgre"
	"nmgre/nm/notation"
	"nmgre/nm/notation/importer"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// importForm is the output of import --json. Plans are there with --dry-run, tunnels without.
type importForm struct {
	From    string        `json:"from"` // the notation
	Lines   []lineForm    `json:"lines"`
	Notes   []string      `json:"notes"`
	Plans   []planForm    `json:"plans,omitempty"`
	Tunnels []createdForm `json:"tunnels,omitempty"`
}

type lineForm struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line"`
	Text string `json:"text"`
	Fate string `json:"fate"` // taken, not needed or not possible
	Why  string `json:"why,omitempty"`
}

func newImport(im importer.Import) importForm {
	out := importForm{Lines: []lineForm{}, Notes: append([]string{}, im.Notes...)}
	if im.Kind != nil {
		out.From = im.Kind.Name
	}
	for _, l := range im.Lines {
		out.Lines = append(out.Lines, lineForm{File: fault.Printable(l.File), Line: l.N, Text: fault.Printable(l.Text), Fate: l.Fate.String(), Why: l.Why})
	}
	return out
}

// maxToldLines is how many lines of an input are told one by one when all of them were taken.
const maxToldLines = 200

// ImportLines writes the fate of each line of an input. Of very many lines, those that were taken
// whole are counted only, unless all is set.
func ImportLines(w io.Writer, im importer.Import, all bool) {
	all = all || len(im.Lines) <= maxToldLines
	for _, l := range im.Lines {
		if !all && l.Fate == notation.Taken && l.Why == "" {
			continue
		}
		file := ""
		if l.File != "" {
			file = fault.Printable(l.File) + ", "
		}
		fmt.Fprintf(w, "%sline %d: %s: %s", file, l.N, shortened(fault.Printable(l.Text)), l.Fate)
		switch {
		case l.Why != "" && l.Fate == notation.Taken:
			fmt.Fprintf(w, ", %s", OneLine(l.Why))
		case l.Why != "":
			fmt.Fprintf(w, " because %s", OneLine(l.Why))
		}
		fmt.Fprintln(w)
	}
	if len(im.Lines) > 0 {
		fmt.Fprintf(w, "%s\n", im.Counts())
	}
}

func shortened(text string) string {
	if r := []rune(text); len(r) > 100 {
		return string(r[:100]) + "..."
	}
	return text
}

// ImportPlans writes the plan of an import.
func ImportPlans(w io.Writer, im importer.Import, plans []plan.Plan, asJSON bool) error {
	if asJSON {
		out := newImport(im)
		for _, p := range plans {
			out.Plans = append(out.Plans, newPlan(p, p.FarEnd))
		}
		return JSON(w, map[string]importForm{"import": out})
	}
	ImportLines(w, im, true)
	for _, p := range plans {
		fmt.Fprintf(w, "%s:\n", fault.Printable(p.Tunnel.Name))
		if err := Plan(w, p, p.FarEnd, false); err != nil {
			return err
		}
	}
	return nil
}

// Imported writes the tunnels that an import has made.
func Imported(w io.Writer, im importer.Import, plans []plan.Plan, made []nmgre.Created, asJSON bool) error {
	if asJSON {
		out := newImport(im)
		for i, c := range made {
			out.Tunnels = append(out.Tunnels, createdForm{Tunnel: newDetail(c.Status, plans[i].FarEnd), Verify: c.Report})
		}
		return JSON(w, map[string]importForm{"import": out})
	}
	for i, c := range made {
		if len(made) > maxToldLines && c.Report.Verdict == verify.Pass {
			continue
		}
		if err := Created(w, c, plans[i].FarEnd, false); err != nil {
			return err
		}
	}
	if len(made) > 1 {
		_, err := fmt.Fprintf(w, "%d tunnels are up\n", len(made))
		return err
	}
	return nil
}
