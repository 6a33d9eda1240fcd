// Package host reads from the files of a host its distribution, whether it is a container, its
// processes, its settings, and the programs that manage networks beside NetworkManager. It reads
// only. Every read is bounded, and a text that is no name or number of the expected form counts as
// missing.
//
// Begin at [Files].
package host

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Limits on the reads.
const (
	maxFile      = 256 << 10 // bytes of a file
	maxEntries   = 500       // files of a folder
	maxProcesses = 100_000
)

// Files are the files below one folder, "/" outside tests.
type Files string

func (f Files) path(name string) string { return filepath.Join(string(f), name) }

// Has reports whether there is one of the files or folders.
func (f Files) Has(names ...string) bool {
	for _, name := range names {
		if _, err := os.Stat(f.path(name)); err == nil {
			return true
		}
	}
	return false
}

// read returns the beginning of a regular file. It does not wait for a pipe.
func (f Files) read(name string) (string, error) {
	file, err := os.OpenFile(f.path(name), os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("no regular file")
	}
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	return string(text), err
}

// list returns the names of the files in a folder that end so, and whether the folder can be read.
// A folder that is not there is empty.
func (f Files) list(folder, end string) (names []string, readable bool) {
	dir, err := os.Open(f.path(folder))
	if err != nil {
		return nil, errors.Is(err, fs.ErrNotExist)
	}
	defer func() { _ = dir.Close() }() // it was only read
	all, err := dir.Readdirnames(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false
	}
	for _, name := range all {
		if strings.HasSuffix(name, end) {
			names = append(names, name)
		}
	}
	return names, true
}

// Number returns the number in a file such as "proc/sys/net/ipv4/ip_forward".
func (f Files) Number(name string) (n int, ok bool) {
	text, err := f.read(name)
	if err != nil {
		return 0, false
	}
	n, err = strconv.Atoi(strings.TrimSpace(text))
	return n, err == nil
}

// word is a name of a distribution, a version or a kind of container.
var word = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]{0,39}$`) })

// plain returns text if it is such a name, and otherwise "".
func plain(text string) string {
	if text = strings.Trim(strings.TrimSpace(text), `"'`); word().MatchString(text) {
		return text
	}
	return ""
}

// Distribution returns the host's distribution and its version, such as "debian" and "12"
// (os-release(5)). Either may be empty.
func (f Files) Distribution() (id, version string) {
	text, err := f.read("etc/os-release")
	if err != nil {
		text, _ = f.read("usr/lib/os-release") // then it is not known
	}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "ID":
			id = plain(value)
		case "VERSION_ID":
			version = plain(value)
		}
	}
	return id, version
}

// Container returns the kind of container that this host is, such as "docker"; "unknown" for one of
// an unknown kind, and "" for a host of its own. It follows systemd-detect-virt(1).
func (f Files) Container() string {
	for _, sign := range []struct{ file, kind string }{{".dockerenv", "docker"}, {"run/.containerenv", "podman"}, {"dev/lxd/sock", "lxc"}} {
		if f.Has(sign.file) {
			return sign.kind
		}
	}
	if text, err := f.read("run/systemd/container"); err == nil {
		if kind := plain(text); kind != "" {
			return kind
		}
		return "unknown"
	}
	if f.Has("proc/vz") && !f.Has("proc/bc") {
		return "openvz"
	}
	environment, _ := f.read("proc/1/environ") // only root may read it
	for variable := range strings.SplitSeq(environment, "\x00") {
		if value, found := strings.CutPrefix(variable, "container="); found && value != "" {
			if kind := plain(value); kind != "" {
				return kind
			}
			return "unknown"
		}
	}
	return ""
}

// UserNamespace reports whether this process is in a user namespace of its own: its root is then
// not the host's (user_namespaces(7)).
func (f Files) UserNamespace() bool {
	text, err := f.read("proc/self/uid_map")
	fields := strings.Fields(text)
	return err == nil && len(fields) >= 3 && (fields[0] != "0" || fields[1] != "0" || fields[2] != "4294967295")
}

// Processes returns the names of the processes that can be seen, as /proc has them: cut to 15
// bytes.
func (f Files) Processes() map[string]bool {
	names := make(map[string]bool)
	dir, err := os.Open(f.path("proc"))
	if err != nil {
		return names
	}
	defer func() { _ = dir.Close() }() // it was only read
	all, _ := dir.Readdirnames(maxProcesses)
	for _, pid := range all {
		if pid[0] < '0' || pid[0] > '9' {
			continue
		}
		if text, err := f.read("proc/" + pid + "/comm"); err == nil {
			names[strings.TrimSuffix(text, "\n")] = true
		}
	}
	return names
}

// Legacy reports whether there are tables of iptables-legacy, which no other program can read.
func (f Files) Legacy() bool {
	for _, name := range []string{"proc/self/net/ip_tables_names", "proc/self/net/ip6_tables_names"} {
		if text, err := f.read(name); err == nil && strings.TrimSpace(text) != "" {
			return true
		}
	}
	return false
}

// UFW reports whether ufw is switched on, and whether its settings can be read.
func (f Files) UFW() (on, known bool) {
	text, err := f.read("etc/ufw/ufw.conf")
	if err != nil {
		return false, errors.Is(err, fs.ErrNotExist)
	}
	for lines := bufio.NewScanner(bytes.NewReader([]byte(text))); lines.Scan(); {
		key, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		if strings.EqualFold(key, "ENABLED") {
			on = strings.EqualFold(strings.Trim(value, `"' `), "yes")
		}
	}
	return on, true
}
