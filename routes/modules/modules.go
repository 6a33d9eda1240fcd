// Package modules tells which modules the running kernel has, by its files: those that are loaded,
// built in, or can be loaded. It loads nothing and changes nothing.
//
// Begin at [Files].
package modules

import (
	"bufio"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Limits on the lists of modules, in bytes. Such a file has a line for each module, and some
// hundred kilobytes.
const (
	maxModuleLine = 1 << 20
	maxModuleList = 64 << 20
)

// State is a module's state by the kernel's files.
type State string

// The states of a module. Only the first three are of use to anybody.
const (
	Loaded    State = "loaded"    // or built in with parameters
	BuiltIn   State = "built in"  // a part of the kernel itself
	Loadable  State = "loadable"  // the kernel loads it when it is needed
	Forbidden State = "forbidden" // there, but this host forbids loading (kernel.modules_disabled)
	Absent    State = "absent"    // the kernel's folder of modules does not have it
	NoFolder  State = "no folder" // the running kernel has no folder of modules
)

// Has reports whether the kernel has the module or can load it.
func (s State) Has() bool { return s == Loaded || s == BuiltIn || s == Loadable }

// Files are the files that list the running kernel's modules.
type Files struct {
	Root    string // their root directory: "/", but in tests
	Release string // of a kernel; empty for the running one
}

// State returns the state of a module, whose name has _ and not -.
func (f Files) State(module string) State {
	if _, err := os.Stat(filepath.Join(f.Root, "sys/module", module)); err == nil {
		return Loaded
	}
	directory := f.directory()
	switch {
	case directory == "":
		return NoFolder
	case listed(filepath.Join(directory, "modules.builtin"), module):
		return BuiltIn
	case !listed(filepath.Join(directory, "modules.dep"), module):
		return Absent
	case f.loadingForbidden():
		return Forbidden
	}
	return Loadable
}

// KernelRelease returns the release of the kernel, such as "6.1.0-18-amd64", as uname(2) tells it.
func (f Files) KernelRelease() string {
	if f.Release != "" {
		return f.Release
	}
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(name.Release[:])
}

// directory returns the directory of the kernel's modules, or "". The second place is that of a
// merged /usr without the link /lib, the third is NixOS's.
func (f Files) directory() string {
	release := f.KernelRelease()
	for _, parent := range []string{"lib/modules", "usr/lib/modules", "run/booted-system/kernel-modules/lib/modules"} {
		directory := filepath.Join(f.Root, parent, filepath.Base(release))
		if info, err := os.Stat(directory); err == nil && info.IsDir() {
			return directory
		}
	}
	return ""
}

func (f Files) loadingForbidden() bool {
	text, err := os.ReadFile(filepath.Join(f.Root, "proc/sys/kernel/modules_disabled"))
	return err == nil && strings.TrimSpace(string(text)) == "1"
}

// listed reports whether a list of modules (depmod's modules.dep, or modules.builtin) has the
// module. A line begins with the module's file, which may be compressed. A list that cannot be read
// counts as empty.
func listed(list, module string) bool {
	file, err := os.Open(list)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(io.LimitReader(file, maxModuleList))
	lines.Buffer(nil, maxModuleLine)
	for lines.Scan() {
		name, _, _ := strings.Cut(lines.Text(), ":")
		if moduleName(name) == module {
			return true
		}
	}
	return false
}

// moduleName returns the name of the module in a file such as kernel/net/ipv4/ip_gre.ko.xz, or ""
// for other files. To the kernel, - and _ are the same in a name.
func moduleName(file string) string {
	name, compression, found := strings.Cut(path.Base(strings.TrimSpace(file)), ".ko")
	switch compression {
	case "", ".xz", ".zst", ".gz":
		if found {
			return strings.ReplaceAll(name, "-", "_")
		}
	}
	return ""
}
