package main

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxAncestors bounds how far up the session is looked for, and maxEnviron what is read of a
// process.
const (
	maxAncestors = 16
	maxEnviron   = 1 << 20
)

// session returns the address of the host from which this process' ssh session comes, the zero Addr
// if it is in none. sshd says so in the environment. sudo takes that out of it, so that root looks
// at the processes above too, up to the shell of the session.
func (a *app) session() netip.Addr {
	for _, variable := range []string{"SSH_CONNECTION", "SSH_CLIENT"} {
		if addr := clientOf(os.Getenv(variable)); addr.IsValid() {
			return addr
		}
	}
	return ancestorSession(filepath.Join(a.root, "proc"), os.Getppid())
}

// clientOf reads "CLIENT PORT ...", as sshd writes it.
func clientOf(text string) netip.Addr {
	client, _, _ := strings.Cut(text, " ")
	addr, err := netip.ParseAddr(client)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// ancestorSession looks for a session in the environments of pid and of the processes above it.
// What may not be read has none.
func ancestorSession(proc string, pid int) netip.Addr {
	for range maxAncestors {
		if pid <= 1 {
			break
		}
		for _, entry := range bytes.Split(readSome(filepath.Join(proc, strconv.Itoa(pid), "environ")), []byte{0}) {
			if text, found := strings.CutPrefix(string(entry), "SSH_CONNECTION="); found {
				if addr := clientOf(text); addr.IsValid() {
					return addr
				}
			}
		}
		pid = parentOf(string(readSome(filepath.Join(proc, strconv.Itoa(pid), "stat"))))
	}
	return netip.Addr{}
}

// parentOf reads the parent's number from /proc/PID/stat: it is the second word behind the
// program's name, which stands in parentheses and may contain some. It returns 0 if there is none.
func parentOf(stat string) (parent int) {
	var state string
	if _, err := fmt.Sscan(stat[strings.LastIndexByte(stat, ')')+1:], &state, &parent); err != nil {
		return 0
	}
	return parent
}

// readSome reads a file as far as it may be read.
func readSome(name string) []byte {
	file, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(file, maxEnviron))
	if err != nil {
		return nil
	}
	return content
}
