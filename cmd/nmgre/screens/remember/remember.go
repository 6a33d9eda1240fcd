// Package remember has a file of the person's own, with the notation that they chose for the far
// end of each tunnel. It is not in the profile: to change that takes rights, it would go to
// everybody who sees the tunnel, and a choice of how to look at something is no part of it.
package remember

import (
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"nmgre/nm/notation/every"
	"nmgre/routes/keep"
)

// maxFile is how many bytes of the file are read, and maxTunnels how many tunnels stay in it.
const (
	maxFile    = 1 << 20
	maxTunnels = 5000
)

// Notations are the choices of one person. The zero value remembers nothing on disk.
type Notations struct{ file string }

// Ours returns those of the person who runs the process: below $XDG_STATE_HOME, or ~/.local/state
// (XDG Base Directory Specification 0.8). Nothing is remembered where the folder belongs to
// somebody else, as it may under sudo: root would write where another person leads it.
func Ours() Notations {
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	base := os.Getenv("XDG_STATE_HOME")
	owner := base
	if !filepath.IsAbs(base) { // others are to be ignored, as the specification says
		base, owner = filepath.Join(home, ".local", "state"), home
	}
	if !filepath.IsAbs(base) || !owns(owner) {
		return Notations{}
	}
	return Notations{filepath.Join(base, "nmgre", "notations")}
}

// owns says whether a folder belongs to the person who runs the process; if it is not there, the
// one in which it would be made.
func owns(folder string) bool {
	info, err := os.Stat(folder)
	for errors.Is(err, os.ErrNotExist) && folder != filepath.Dir(folder) {
		folder = filepath.Dir(folder)
		info, err = os.Stat(folder)
	}
	if err != nil || !info.IsDir() {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// choice is a line of the file.
type choice struct{ uuid, kind string }

// read returns the choices, the oldest first. Lines that are none are left out, as is a file that
// is none.
func (n Notations) read() []choice {
	if n.file == "" {
		return nil
	}
	file, err := os.OpenFile(n.file, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer file.Close() //nolint:errcheck // it was only read
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil
	}
	return parse(string(text))
}

// parse reads the lines of the file.
func parse(text string) []choice {
	var list []choice
	for line := range strings.Lines(text) {
		uuid, kind, ok := strings.Cut(strings.TrimRight(line, "\n"), " ")
		if _, err := every.Find("as", kind); ok && err == nil && keep.IsUUID(uuid) {
			list = append(list, choice{uuid, kind})
		}
	}
	return list
}

// Of returns the notation that was chosen for a tunnel, or the empty string.
func (n Notations) Of(uuid string) string {
	kind := ""
	for _, c := range n.read() {
		if c.uuid == uuid {
			kind = c.kind
		}
	}
	return kind
}

// Set remembers the notation of a tunnel; an empty one is forgotten. The choices for tunnels that
// gone says are not there any more are forgotten as well. It fails as the file system does.
func (n Notations) Set(uuid, kind string, gone func(uuid string) bool) error {
	if n.file == "" {
		return errors.New("there is no folder of your own for it")
	}
	var keep []choice
	for _, c := range n.read() {
		if c.uuid != uuid && !gone(c.uuid) {
			keep = append(keep, c)
		}
	}
	if kind != "" {
		keep = append(keep, choice{uuid, kind})
	}
	var b strings.Builder
	for _, c := range keep[max(len(keep)-maxTunnels, 0):] {
		b.WriteString(c.uuid + " " + c.kind + "\n")
	}
	return n.write(b.String())
}

// write writes the file as a whole, or not at all. An empty one is removed.
func (n Notations) write(text string) error {
	if text == "" {
		if err := os.Remove(n.file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	folder := filepath.Dir(n.file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, ".notations-*") // only its owner can read it
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err = cmp.Or(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), n.file)
	}
	if err != nil {
		_ = os.Remove(file.Name()) // the first error counts
	}
	return err
}
