package apply

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nmgre"
	"nmgre/cmd/nmgre/output"
	"nmgre/nm"
	"nmgre/nm/document"
	"nmgre/nm/reconcile"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// appliedForm is the output of apply --json.
type appliedForm struct {
	Changed bool            `json:"changed"` // or would be, with --check
	Diff    []diffForm      `json:"diff"`
	Verify  []verify.Report `json:"verify"`
	Notes   []string        `json:"notes,omitempty"`
}

// diffForm is the step of one tunnel. Before and After are the fields of a document.
type diffForm struct {
	Tunnel string         `json:"tunnel"`
	Action string         `json:"action"` // create, change, delete or none
	Before map[string]any `json:"before"`
	After  map[string]any `json:"after"`
	Fields []string       `json:"fields"` // those that differ
	// Drift has the differences of the kernel that are mended; before and after are the same then.
	Drift []string `json:"drift,omitempty"`
}

// errorForm is the output of apply --json when it fails.
type errorForm struct {
	Error   errorText `json:"error"`
	Changed bool      `json:"changed"`
}

type errorText struct {
	Message string    `json:"message"`
	Hints   []string  `json:"hints"`
	Errors  []oneText `json:"errors"`
}

// oneText is one of the joined errors.
type oneText struct {
	Message string `json:"message"`
	Field   string `json:"field,omitempty"`
	Line    int    `json:"line,omitempty"`
}

// printError writes an error as JSON, for a program that reads standard output alone.
func (a App) printError(err error) error {
	form := errorForm{Error: errorText{Hints: append([]string{}, fault.Hints(err)...), Errors: []oneText{}}}
	var messages []string
	for _, one := range fault.Split(err) {
		text := oneText{Message: output.OneLine(one.Error())}
		fault.Walk(one, func(e *fault.Error) {
			if text.Field == "" {
				text.Field = e.Field
			}
			if text.Line == 0 {
				text.Line = e.Line
			}
		})
		messages, form.Error.Errors = append(messages, text.Message), append(form.Error.Errors, text)
	}
	form.Error.Message = strings.Join(messages, "; ")
	return output.JSON(a.Out, form)
}

// newDiff words the step of a tunnel.
func newDiff(s reconcile.Step) diffForm {
	d := diffForm{Tunnel: s.Name, Action: string(s.Action), Fields: []string{}}
	if s.Have.Profile.UUID != "" {
		d.Before = document.Fields(s.Have.Whole())
	}
	if s.Action != reconcile.Delete && (s.Action != reconcile.None || d.Before != nil) {
		d.After = document.Fields(s.Want)
	}
	switch s.Action {
	case reconcile.Change:
		for _, c := range nm.Diff(s.Have.Whole(), s.Want) {
			if name := document.FieldName(c.Field); !slices.Contains(d.Fields, name) {
				d.Fields = append(d.Fields, name)
			}
		}
		for _, drift := range s.Drift {
			d.Drift = append(d.Drift, output.OneLine(drift.What))
			if drift.Field != "" && !slices.Contains(d.Fields, drift.Field) {
				d.Fields = append(d.Fields, drift.Field)
			}
		}
	case reconcile.Create:
		d.Fields = slices.Sorted(maps.Keys(d.After))
	default:
	}
	return d
}

// printApplied writes the steps that were taken, or would be.
func (a App) printApplied(planned reconcile.Plan, done []nmgre.Applied, run applyRun) error {
	if run.json {
		form := appliedForm{Changed: planned.Changed(), Diff: []diffForm{}, Verify: []verify.Report{}, Notes: planned.Notes}
		for _, s := range planned.Steps {
			form.Diff = append(form.Diff, newDiff(s))
		}
		for _, d := range done {
			if len(d.Report.Checks) > 0 {
				form.Verify = append(form.Verify, d.Report)
			}
		}
		return output.JSON(a.Out, form)
	}
	if run.diff {
		for _, s := range planned.Steps {
			a.printDiff(s)
		}
	}
	a.printReports(done)
	_, err := fmt.Fprintln(a.Out, summary(planned, run.check))
	return err
}

// printDiff writes the differences of one tunnel: a line for each field that goes, for each that
// comes, and for each difference of the kernel that is mended.
func (a App) printDiff(s reconcile.Step) {
	if s.Action == reconcile.None {
		return
	}
	fmt.Fprintf(a.Out, "%s: %s\n", fault.Printable(s.Name), s.Action)
	var before, after []string
	if s.Have.Profile.UUID != "" {
		before = document.Lines(s.Have.Whole())
	}
	if s.Action != reconcile.Delete {
		after = document.Lines(s.Want)
	}
	for _, drift := range s.Drift {
		fmt.Fprintf(a.Out, "! %s\n", output.OneLine(drift.What))
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			fmt.Fprintf(a.Out, "- %s\n", line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			fmt.Fprintf(a.Out, "+ %s\n", line)
		}
	}
}

// printReports writes the checks that do not pass.
func (a App) printReports(done []nmgre.Applied) {
	for _, d := range done {
		for _, c := range d.Report.Checks {
			if c.Status == verify.Warn || c.Status == verify.Fail {
				fmt.Fprintf(a.Out, "%s: %s: %s\n", fault.Printable(d.Name), c.Status, output.OneLine(c.Summary))
			}
		}
	}
}

// summary counts the steps.
func summary(planned reconcile.Plan, check bool) string {
	count := make(map[reconcile.Action]int)
	for _, s := range planned.Steps {
		count[s.Action]++
	}
	text := fmt.Sprintf("%d made, %d changed, %d deleted, %d as wanted", count[reconcile.Create], count[reconcile.Change], count[reconcile.Delete], count[reconcile.None])
	if check {
		text = "nothing was changed; it would be: " + text
	}
	return text
}
