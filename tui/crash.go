package tui

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre/routes/fault"
)

// crash is a bug of nmgre that has ended the program.
type crash struct {
	what   string
	report string // the file with the stack; empty if it could not be written
	err    error  // why it could not be written
}

// Error says where the report is.
func (c *crash) Error() string {
	if c.report == "" {
		return fmt.Sprintf("nmgre crashed: %s; the report could not be written: %v", c.what, c.err)
	}
	return fmt.Sprintf("nmgre crashed: %s; the report is in %s", c.what, c.report)
}

// crashed writes the report and ends the program in the ordinary way, which restores the terminal.
// It must be called by the function that recovers, so that the stack is that of the panic.
func (m *Model) crashed(r any) tea.Cmd {
	if m.crash != nil {
		return tea.Quit
	}
	return m.endBy(m.reportCrash(r))
}

// reportCrash writes the report. Any goroutine may call it, in the function that recovers.
func (m *Model) reportCrash(r any) *crash {
	c := &crash{what: fault.Printable(fmt.Sprint(r))}
	folder := m.opts.Reports
	if folder == "" {
		folder = os.TempDir()
	}
	c.report, c.err = writeReport(folder, fmt.Sprintf("nmgre: %v\n%s\n\n%s", time.Now().Format(time.RFC3339), c.what, debug.Stack()))
	return c
}

// endBy ends the program because of a crash.
func (m *Model) endBy(c *crash) tea.Cmd {
	m.crash = c
	return tea.Quit
}

// writeReport makes a new file that only its owner can read.
func writeReport(folder, text string) (string, error) {
	f, err := os.CreateTemp(folder, "nmgre-report-*.txt")
	if err != nil {
		return "", err
	}
	if _, err := f.WriteString(text); err != nil {
		_ = f.Close() // the first error counts
		return "", err
	}
	name, err := filepath.Abs(f.Name())
	if err != nil {
		name = f.Name()
	}
	return name, f.Close()
}
