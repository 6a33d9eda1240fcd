package asroot

import (
	"os"

	"golang.org/x/sys/unix"
)

// terminal is the controlling terminal of this process, which is in its foreground: polkit can ask
// there. Standard input does not matter: when routes come by a pipe, the person still sits at the
// terminal. In the background, or without a terminal, asking would only stop or fail.
type terminal struct {
	file   *os.File
	before *unix.Termios
}

// openTerminal returns the terminal, or nil if there is none.
func openTerminal() *terminal {
	file, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	t := &terminal{file: file}
	if t.before, err = unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS); err != nil || !t.foreground() {
		_ = file.Close()
		return nil
	}
	return t
}

func (t *terminal) foreground() bool {
	// The kernel writes 32 bits, of which unix.IoctlGetInt makes another number on s390x.
	group, err := unix.IoctlGetUint32(int(t.file.Fd()), unix.TIOCGPGRP)
	return err == nil && int(group) == unix.Getpgrp()
}

// close gives the terminal its earlier settings again, and closes it; t may be nil. A program that
// asks for a password turns the echo off, and does not turn it on again when it is interrupted.
// Then close also ends the line. It ignores errors.
func (t *terminal) close() {
	if t == nil {
		return
	}
	now, err := unix.IoctlGetTermios(int(t.file.Fd()), unix.TCGETS)
	if err == nil && *now != *t.before && t.foreground() {
		_ = unix.IoctlSetTermios(int(t.file.Fd()), unix.TCSETS, t.before)
		_, _ = t.file.WriteString("\n")
	}
	_ = t.file.Close()
}
