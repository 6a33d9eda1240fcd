package asroot

import (
	"os"

	"golang.org/x/sys/unix"
)

// terminal is the terminal that this process is in the foreground of: polkit can ask there. It is
// the controlling one, whatever standard input is: with routes from a pipe, the person sits there
// all the same, and in the background or without a terminal asking would only stop or fail.
type terminal struct {
	file   *os.File
	before *unix.Termios
}

// openTerminal returns nil if there is none.
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
	group, err := unix.IoctlGetInt(int(t.file.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// restore lets go of the terminal. Who asks turns echo off while a password is typed, and leaves it
// so, in the middle of a line, when interrupted. All of it is as good as can be.
func (t *terminal) restore() {
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
