// Package session finds the ssh session that a process belongs to. It reads the environment and
// /proc, and depends on the verbs alone.
package session

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"nmgre"
)

const (
	maxAncestors = 16      // how many parent processes are searched for a session
	maxEnviron   = 1 << 20 // how many bytes are read of a file in /proc
)

// Find returns the ssh session that this process belongs to. It is the zero Session outside one.
// sshd puts the address into the environment, and sudo takes it out, so Find also searches the
// parent processes, up to the shell of the session. root is the folder that holds /proc.
func Find(root string) nmgre.Session {
	for _, variable := range []string{"SSH_CONNECTION", "SSH_CLIENT"} {
		if s := sessionOf(os.Getenv(variable)); s.Client.IsValid() {
			return s
		}
	}
	return ancestorSession(filepath.Join(root, "proc"), os.Getppid())
}

// sessionOf reads "CLIENT PORT SERVER PORT", as sshd writes SSH_CONNECTION, or "CLIENT PORT PORT",
// as it writes SSH_CLIENT.
func sessionOf(text string) nmgre.Session {
	words := append(strings.Fields(text), "", "", "")
	client, err := netip.ParseAddr(words[0])
	if err != nil {
		return nmgre.Session{}
	}
	server, _ := netip.ParseAddr(words[2]) // a port is no address
	return nmgre.Session{Client: client.Unmap(), Server: server.Unmap()}
}

// ancestorSession searches the environments of pid and of its parents for a session. A process that
// may not be read counts as one without a session.
func ancestorSession(proc string, pid int) nmgre.Session {
	for range maxAncestors {
		if pid <= 1 {
			break
		}
		for _, entry := range bytes.Split(readSome(filepath.Join(proc, strconv.Itoa(pid), "environ")), []byte{0}) {
			if text, found := strings.CutPrefix(string(entry), "SSH_CONNECTION="); found {
				if s := sessionOf(text); s.Client.IsValid() {
					return s
				}
			}
		}
		pid = parentOf(string(readSome(filepath.Join(proc, strconv.Itoa(pid), "stat"))))
	}
	return nmgre.Session{}
}

// parentOf reads the parent's process ID from /proc/PID/stat. It is the second word after the
// program's name, which stands in parentheses and may contain parentheses itself. parentOf returns
// 0 for malformed text.
func parentOf(stat string) (parent int) {
	var state string
	if _, err := fmt.Sscan(stat[strings.LastIndexByte(stat, ')')+1:], &state, &parent); err != nil {
		return 0
	}
	return parent
}

// readSome reads at most maxEnviron bytes of a file, and nothing of one that may not be read.
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
