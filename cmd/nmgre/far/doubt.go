package far

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/pair"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
)

// Doubts is the folder of the notes about far ends that are in doubt: their near ends are saved,
// and nobody knows whether they are. A note is a file with the name of the near end's device, and
// the words for ssh in it.
type Doubts string

// DoubtsOf returns the folder of the user: root's is for all.
func DoubtsOf(root string) Doubts {
	if os.Geteuid() == 0 {
		return Doubts(filepath.Join(root, "var/lib/nmgre/pair"))
	}
	state := os.Getenv("XDG_STATE_HOME")
	if home, err := os.UserHomeDir(); err == nil && !filepath.IsAbs(state) {
		state = filepath.Join(home, ".local/state")
	}
	if !filepath.IsAbs(state) {
		return ""
	}
	return Doubts(filepath.Join(state, "nmgre/pair"))
}

// maxNote bounds a note, in bytes.
const maxNote = 2048

// Write writes the note about the far end of t, and returns its file.
func (d Doubts) Write(t nm.Tunnel, host string) (string, error) {
	if d == "" {
		return "", &fault.Error{What: "there is no folder for a note about the far end", Hint: "set HOME"}
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return "", &fault.Error{What: "the note about the far end cannot be written", Err: err}
	}
	name := filepath.Join(string(d), t.Name)
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // a device has no path in its name
	if err != nil {
		return "", &fault.Error{What: "the note about the far end cannot be written", Err: err}
	}
	_, err = io.WriteString(file, host+"\n")
	err = errors.Join(err, file.Sync(), file.Close())
	return name, err
}

// forget removes a note, and the folders if they are empty then.
func forget(file string) error {
	err := os.Remove(file)
	if dir := filepath.Dir(file); os.Remove(dir) == nil {
		_ = os.Remove(filepath.Dir(dir)) // others may have something there
	}
	return err
}

// any returns the devices that have a note.
func (d Doubts) any() []string {
	entries, err := os.ReadDir(string(d))
	if err != nil || d == "" {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && routes.IsDevice(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// settled is how old a note is when the far end has undone its end, or never will: its patience,
// and the time of the undo.
const settled = pair.Silence + 8*time.Second

// Settle finds out about the far ends that are in doubt, by the tunnels themselves: one whose far
// end answers stays, and one whose far end says that it has no such tunnel is removed. It returns
// whether all is known then. A note that is too young is left, unless patient is set: then Settle
// waits.
func (d Doubts) Settle(ctx context.Context, host *nmgre.Host, patient bool, tell func(string)) (known bool) {
	known = true
	for _, name := range d.any() {
		file := filepath.Join(string(d), name)
		info, err := os.Stat(file)
		if err != nil {
			continue // somebody else has settled it
		}
		if young := settled - time.Since(info.ModTime()); young > 0 {
			if !patient {
				known = false
				continue
			}
			fault.Pause(ctx, min(young, settled))
		}
		known = d.settle(ctx, host, name, tell) && known
	}
	return known
}

// Await tries for a minute to settle all, as the process beside a killed command.
func (d Doubts) Await(ctx context.Context, open func(context.Context) (*nmgre.Host, func(), error)) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for len(d.any()) > 0 && ctx.Err() == nil {
		if host, closeHost, err := open(ctx); err == nil {
			d.Settle(ctx, host, true, func(string) {})
			closeHost()
		}
		fault.Pause(ctx, askPause)
	}
}

// settle finds out about the far end of one device.
func (d Doubts) settle(ctx context.Context, host *nmgre.Host, name string, tell func(string)) bool {
	file := filepath.Join(string(d), name)
	report, err := host.Verify(ctx, name, verify.Options{})
	switch {
	case errors.Is(err, fault.ErrNotFound):
		return forget(file) == nil
	case err != nil:
		return false
	case answered(report):
		tell("the far end of " + fault.Printable(name) + ", which an interrupted nmgre pair had left in doubt, is there")
		return forget(file) == nil
	case refused(report):
		if _, err := host.Delete(ctx, name); err != nil {
			tell("could not remove " + fault.Printable(name) + ", whose far end an interrupted nmgre pair has not made: " + fault.Printable(err.Error()))
			return false
		}
		tell("removed " + fault.Printable(name) + ", whose far end an interrupted nmgre pair has not made")
		return forget(file) == nil
	}
	tell("warning: it is not known whether " + d.host(file) + " has its end of " + fault.Printable(name) + "; nmgre pair " + d.host(file) + " " + fault.Operand(name) + " finds it out, and makes it")
	return false
}

// refused reports whether the far end has said that it has no such tunnel.
func refused(r verify.Report) bool {
	return slices.ContainsFunc(r.Checks, func(c verify.Check) bool {
		return c.ID == "probe" && slices.Contains([]string{"far-no-tunnel", "far-no-gre"}, c.Cause)
	})
}

// host is the note's word for the other host.
func (d Doubts) host(file string) string {
	f, err := os.Open(file) //nolint:gosec // from the folder's own list
	if err != nil {
		return "HOST"
	}
	defer func() { _ = f.Close() }()
	text, _ := io.ReadAll(io.LimitReader(f, maxNote))
	return fault.ShellWord(strings.TrimSpace(string(text)))
}
