package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre/tui/canvas"
)

// frameRest is the least time between two frames that no key has asked for. Events that come in
// swarms are drawn once.
const frameRest = 25 * time.Millisecond

// painted is a model with the canvas that draws its frames.
type painted struct {
	*Model
	canvas  *canvas.Canvas
	wake    func(time.Duration) // sends a frameMsg after a while
	waiting bool                // one is on its way
}

// frameMsg is the time for a frame that was put off.
type frameMsg struct{}

// Update takes a message, and draws the new frame.
func (p *painted) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	// Bubble Tea has no terminal to ask, as it does not draw
	if size, ok := msg.(tea.WindowSizeMsg); ok && size.Width <= 0 {
		return p, nil
	}
	if _, ok := msg.(frameMsg); !ok {
		_, cmd = p.Model.Update(msg)
	}
	switch msg.(type) {
	case tea.WindowSizeMsg:
		p.canvas.Forget()
	case frameMsg:
		p.waiting = false
	case tea.KeyPressMsg, tea.PasteMsg, tea.MouseMsg:
	default:
		if p.canvas.Early(frameRest) {
			if !p.waiting {
				p.waiting = true
				p.wake(frameRest)
			}
			return p, cmd
		}
	}
	if p.redraw {
		p.redraw = false
		p.canvas.Forget()
	}
	p.canvas.Draw(p.Model.View())
	if p.crash != nil { // in View, which has no way to say so
		return p, tea.Quit
	}
	return p, cmd
}

// View is empty: Bubble Tea's own renderer is not used.
func (p *painted) View() tea.View { return tea.NewView("") }
