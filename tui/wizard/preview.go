package wizard

import (
	tea "charm.land/bubbletea/v2"

	"nmgre/routes/fault"
	"nmgre/tui/answers"
	"nmgre/tui/draw"
	"nmgre/tui/screen"
)

// previewKeys are the keys of the preview.
func (w *Wizard) previewKeys() []screen.Key {
	apply := "make it"
	if w.answers.Edit {
		apply = "change it"
	}
	return append([]screen.Key{
		{Keys: []string{"enter", "a"}, Hint: apply, Help: apply + ", as it stands here", Why: w.shell.ChangeWhy(), Do: func() tea.Cmd { return w.start() }},
		{Keys: []string{"ctrl+p", "b", "left", "h"}, Hint: "back", Help: "back to the answers; nothing is lost", Do: func() tea.Cmd { return w.toPage(answers.Pages - 1) }},
		{Keys: []string{"esc"}, Hint: "leave", Help: "leave the wizard (asks first)", Do: func() tea.Cmd { return w.Leave() }},
		{Keys: []string{"y"}, Hint: "copy", Help: "copy the command that does the same", Do: func() tea.Cmd { w.shell.Copy("the command that does the same", w.sameCommand()); return nil }},
	}, screen.Scroll(&w.windows[pagePreview])...)
}

// sameCommand is nmgre's command line that does the same as the wizard.
func (w *Wizard) sameCommand() string {
	if w.change != nil {
		return draw.EditCommand(w.was.Tunnel.Name, *w.change)
	}
	return w.plan.Tunnel.CreateCommand()
}

// previewLines show the plan: the path, the notes, each step with its reason and its commands.
func (w *Wizard) previewLines(th draw.Theme, width int) []draw.Line {
	var lines []draw.Line
	if w.danger != "" {
		lines = append(lines, draw.Wrapped(th.Warn+" "+w.danger, width-1, " ", draw.Red)...)
		lines = append(lines, draw.Text(""))
	}
	switch {
	case w.change != nil:
		return append(lines, draw.EditLines(th, w.was.Tunnel.Name, w.change, width)...)
	case w.plan == nil:
		return lines
	}
	p := w.plan
	lines = append(lines, pathPicture(th, p.Tunnel, w.answers.Hop, w.ownLANs(), width)...)
	lines = append(lines, draw.Text(""))
	lines = append(lines, draw.PlanLines(th, p, width)...)
	lines = append(lines, draw.Styled(" The same by one command:", draw.Bold))
	return append(lines, draw.Command(fault.Printable(p.Tunnel.CreateCommand()), width-1, "   ")...)
}
