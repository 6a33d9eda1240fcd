package journal

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"nmgre/routes/fault"
)

const maxPasswd = 1 << 20 // bytes that are read of /etc/passwd

// Caller returns who has this process of root's work, as "ann (1000) by pkexec". pkexec and sudo
// leave the number of that user in the environment; without it root is the caller. getenv is
// [os.Getenv], and the names are those of the host whose files are below root.
func Caller(root string, getenv func(string) string) string {
	for _, by := range []struct{ name, variable string }{{"pkexec", "PKEXEC_UID"}, {"sudo", "SUDO_UID"}} {
		if uid, err := strconv.ParseUint(getenv(by.variable), 10, 32); err == nil {
			return fmt.Sprintf("%s by %s", user(root, uint32(uid)), by.name)
		}
	}
	return user(root, uint32(os.Getuid())) //nolint:gosec // a user's number
}

// Asking returns the name of the user whom pkexec let run this process, or the number of one who
// has no name in /etc/passwd. It is empty if that was not pkexec. The arguments are those of
// [Caller].
func Asking(root string, getenv func(string) string) string {
	uid, err := strconv.ParseUint(getenv("PKEXEC_UID"), 10, 32)
	if err != nil {
		return ""
	}
	name, _, found := strings.Cut(user(root, uint32(uid)), " (")
	if !found {
		return strconv.FormatUint(uid, 10)
	}
	return name
}

// user returns the name and the number of a user, or only the number of one that /etc/passwd does
// not have.
func user(root string, uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	file, err := os.Open(filepath.Join(root, "etc/passwd"))
	if err != nil {
		return "user " + number
	}
	defer func() { _ = file.Close() }() // it was only read
	lines := bufio.NewScanner(io.LimitReader(file, maxPasswd))
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":") // passwd(5)
		if len(fields) > 2 && fields[2] == number {
			return fault.Printable(fields[0]) + " (" + number + ")"
		}
	}
	return "user " + number
}
