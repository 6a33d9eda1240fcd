// Package far is the far end's tab: the far end as one notation writes it, and the list in which a
// person chooses the notation.
package far

import (
	"errors"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/nm/notation/every"
	"nmgre/routes/fault"
	"nmgre/tui/draw"
	"nmgre/tui/screen"
)

// View is the far end of one tunnel.
type View struct {
	Tunnel nm.Tunnel  // this end
	End    *nm.FarEnd // nil until it has been worked out
	Err    error      // why it could not be
	Kind   string     // the chosen notation; empty for the commands of nmgre, nmcli and ip together
}

// plain is the name in the list of the commands that are shown where nothing has been chosen.
const plain = "commands"

// title names a notation for a person.
func title(kind string) string {
	if k, err := every.Find("as", kind); err == nil {
		return k.Title
	}
	return kind
}

// text writes the far end in the chosen notation.
func (v *View) text(kind string) (string, error) {
	return every.Write(notation.NewLink(v.Tunnel, *v.End), kind, "far")
}

// Lines are the lines of the tab.
func (v *View) Lines(width int, wait string) []draw.Line {
	switch {
	case v.Err != nil:
		return draw.Wrapped(draw.ErrorText(v.Err), width, "", draw.Red)
	case v.End == nil:
		return []draw.Line{draw.Styled("working out the far end's commands "+wait, draw.Dim)}
	case v.Kind == "":
		return draw.FarEndText(*v.End, width)
	}
	text, err := v.text(v.Kind)
	if err != nil {
		return refused(v.Kind, err, width)
	}
	lines := append(draw.Wrapped("The far end for "+title(v.Kind)+" (y copies it, o chooses another notation):", width, "", draw.Bold), draw.Text(""))
	for row := range strings.Lines(text) {
		lines = append(lines, broken(strings.TrimRight(row, "\n"), width)...)
	}
	return lines
}

// broken breaks a line of a text that is too long for the screen. The rest stands deeper.
func broken(row string, width int) []draw.Line {
	row = fault.Escaped(strings.ReplaceAll(row, "\t", "    "))
	body := strings.TrimLeft(row, " ")
	indent := row[:min(len(row)-len(body), max(width/2, 0))]
	var lines []draw.Line
	for i, part := range draw.Wrap(body, max(width-len(indent)-4, 8)) {
		if draw.Cells(row) <= width {
			return []draw.Line{draw.Text(row)}
		}
		if i > 0 {
			part = "    " + part
		}
		lines = append(lines, draw.Text(indent+part))
	}
	return lines
}

// refused says which fields the notation cannot hold, and why.
func refused(kind string, err error, width int) []draw.Line {
	lines := append(draw.Wrapped(title(kind)+" cannot hold this tunnel:", width, "", draw.Bold), draw.Text(""))
	for _, one := range fault.Split(err) {
		lines = append(lines, draw.Wrapped(draw.ErrorText(one), width, "  ", draw.Red)...)
	}
	return append(append(lines, draw.Text("")), draw.Wrapped("Leave it out at both ends, or choose another notation with o: the list says what each cannot hold.", width, "", draw.Dim)...)
}

// Copy returns the text that y copies, and its name. Tabs are spaces in it: a shell that it is
// pasted into would complete words by them. It fails where there is none, with the reason.
func (v *View) Copy() (name, text string, err error) {
	switch {
	case v.Err != nil:
		return "", "", v.Err
	case v.End == nil:
		return "", "", errors.New("the far end is not known yet")
	case v.Kind == "" && v.End.Missing != "":
		return "", "", errors.New("there is no command for the far end: " + v.End.Missing)
	case v.Kind == "":
		return "the far end's command", v.End.CreateCommand(), nil
	}
	text, err = v.text(v.Kind)
	return "the far end for " + title(v.Kind), strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\t", "    "), err
}

// Program is the program around the list.
type Program interface {
	Close(s screen.Screen)
	Chosen(kind string) tea.Cmd // the person has chosen a notation
}

// Chooser is the list of notations.
type Chooser struct {
	program Program
	theme   draw.Theme
	rows    []row
	at      int
	window  draw.Window
}

// row is one notation, and why it cannot hold the tunnel.
type row struct{ kind, name, title, lacks string }

// Choose returns the list for a tunnel, at the notation that is shown.
func Choose(p Program, theme draw.Theme, v View) *Chooser {
	c := &Chooser{program: p, theme: theme, rows: []row{{name: plain, title: "of nmgre, nmcli and ip"}}}
	for i, k := range every.Kinds() {
		c.rows = append(c.rows, row{kind: k.Name, name: k.Name, title: k.Title, lacks: v.lacks(k.Name)})
		if k.Name == v.Kind {
			c.at = i + 1
		}
	}
	return c
}

// lacks names the fields of the tunnel that a notation cannot hold.
func (v *View) lacks(kind string) string {
	if v.End == nil {
		return ""
	}
	_, err := v.text(kind)
	if err == nil {
		return ""
	}
	if v.End.Missing != "" {
		return v.End.Missing
	}
	var fields []string
	for _, one := range fault.Split(err) {
		if e := (*fault.Error)(nil); errors.As(one, &e) && e.Field != "" && !strings.Contains(" "+strings.Join(fields, " ")+" ", " "+e.Field+" ") {
			fields = append(fields, e.Field)
		}
	}
	return strings.Join(fields, " ")
}

// At returns the name of the notation at which the person is.
func (c *Chooser) At() string { return c.rows[c.at].name }

// Typing is false: every letter is a key.
func (c *Chooser) Typing() bool { return false }

// Update takes nothing besides the keys.
func (c *Chooser) Update(tea.Msg) tea.Cmd { return nil }

// Keys move, choose and close.
func (c *Chooser) Keys() []screen.Key {
	by := func(rows func() int) func() tea.Cmd {
		return func() tea.Cmd { c.at = max(min(c.at+rows(), len(c.rows)-1), 0); return nil }
	}
	fixed := func(rows int) func() tea.Cmd { return by(func() int { return rows }) }
	return []screen.Key{
		{Keys: []string{"enter"}, Hint: "choose", Help: "show the far end in this notation, from now on", Do: c.choose},
		{Keys: []string{"esc", "q"}, Hint: "close", Help: "keep the notation", Do: func() tea.Cmd { c.program.Close(c); return nil }},
		{Keys: []string{"up", "k"}, Hint: "move", Help: "a row up", Do: fixed(-1)},
		{Keys: []string{"down", "j"}, Help: "a row down", Do: fixed(1)},
		{Keys: []string{"pgup", "ctrl+u"}, Help: "a page up", Do: by(func() int { return -c.window.Page() })},
		{Keys: []string{"pgdown", "ctrl+d", "space"}, Help: "a page down", Do: by(c.window.Page)},
		{Keys: []string{"home", "g"}, Help: "to the first one", Do: fixed(-screen.Farther)},
		{Keys: []string{"end", "G"}, Help: "to the last one", Do: fixed(screen.Farther)},
	}
}

func (c *Chooser) choose() tea.Cmd {
	c.program.Close(c)
	return c.program.Chosen(c.rows[c.at].kind)
}

// View draws the list.
func (c *Chooser) View(width, height int) screen.Drawing {
	inner, room := width-2, height-2
	names, titles := 0, 0
	for _, r := range c.rows {
		names, titles = max(names, draw.Cells(r.name)), max(titles, draw.Cells(r.title))
	}
	from, to := c.window.Show(c.at, len(c.rows), room)
	rows := make([]string, 0, room)
	for i, r := range c.rows[from:to] {
		ground, lead := draw.Plain, " "
		if from+i == c.at {
			ground, lead = draw.Reverse, c.theme.Cursor
		}
		line := draw.Line{draw.Plain.Of(lead), draw.Bold.Of(c.theme.Fit(r.name, names))}
		if inner > draw.NarrowBelow || r.lacks == "" {
			line = append(line, draw.Plain.Of("  "+c.theme.Fit(r.title, titles)))
		}
		if r.lacks != "" {
			line = append(line, draw.Yellow.Of("  cannot hold: "+fault.Printable(r.lacks)))
		}
		rows = append(rows, c.theme.RenderOn(inner, line, ground))
	}
	foot := ""
	if len(c.rows) > room {
		foot = fmt.Sprintf("%d-%d of %d", from+1, to, len(c.rows))
	}
	return screen.Drawing{Rows: c.theme.Panel(draw.Panel{Title: draw.Styled("The far end's notation", draw.Bold), Foot: foot, Focused: true}, width, height, rows)}
}
