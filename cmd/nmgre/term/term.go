// Package term is the person's terminal: its modes, its size, and its input.
package term

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Is says whether a file is a terminal.
func Is(f *os.File) bool {
	_, err := unix.IoctlGetTermios(descriptor(f), unix.TCGETS)
	return err == nil
}

func descriptor(f *os.File) int { return int(f.Fd()) } //nolint:gosec // a file descriptor is small

// Raw returns a function that makes the terminal hand on every key at once, without echo, as
// cfmakeraw(3) does. That returns a function which restores the modes.
func Raw(terminal *os.File) func() (func(), error) {
	fd := descriptor(terminal)
	return func() (func(), error) {
		before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return nil, fmt.Errorf("read the terminal's modes: %w", err)
		}
		raw := *before
		raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
		raw.Oflag &^= unix.OPOST
		raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
		raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
		raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
		if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
			return nil, fmt.Errorf("set the terminal's modes: %w", err)
		}
		// a terminal that has gone has no modes
		return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil
	}
}

// Size returns a function that asks for the terminal's size, in cells.
func Size(terminal *os.File) func() (width, height int, err error) {
	fd := descriptor(terminal)
	return func() (int, int, error) {
		size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err != nil {
			return 0, 0, fmt.Errorf("read the terminal's size: %w", err)
		}
		return int(size.Col), int(size.Row), nil
	}
}

// Columns returns how many columns a terminal has; 0 if w is none, or does not tell.
func Columns(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok || !Is(file) {
		return 0
	}
	columns, _, err := Size(file)()
	if err != nil {
		return 0
	}
	return columns
}

// Forget returns a function that forgets everything which was typed and is not read yet.
func Forget(terminal *os.File) func() error {
	fd := descriptor(terminal)
	return func() error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH) }
}

// IsUTF8 says whether the locale's characters are UTF-8. Without a locale they are, as nearly
// everywhere; the locales C and POSIX, where somebody has set them, have ASCII alone.
func IsUTF8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			upper := strings.ToUpper(value)
			return strings.Contains(upper, "UTF-8") || strings.Contains(upper, "UTF8")
		}
	}
	return true
}
