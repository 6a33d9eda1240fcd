package netlink

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// Limits on the lists of modules, in bytes. Such a file has a line for each module, and some
// hundred kilobytes.
const (
	maxModuleLine = 1 << 20
	maxModuleList = 64 << 20
)

// Supports returns nil when the kernel has the mode or can load it. Otherwise it returns an
// ErrUnsupported that names the missing module. It loads and changes nothing: it looks for the
// module among the loaded ones, for a device of its kinds (gre0 is one), and in the running
// kernel's lists of modules that are built in or can be loaded.
func (k *Kernel) Supports(m gre.Mode) error {
	module := moduleOf(m)
	if k.files.loaded(module) || k.hasKind(m) {
		return nil
	}
	return k.files.loadable(m, module)
}

func moduleOf(m gre.Mode) string {
	if m.IPv6Outer() {
		return "ip6_gre"
	}
	return "ip_gre"
}

// hasKind reports whether there is a device that only this mode's module can have made.
func (k *Kernel) hasKind(m gre.Mode) bool {
	// An error leaves the question to the files.
	links, _ := k.dumpLinks(context.Background(), skipStats)
	for _, link := range links {
		if link.GRE != nil && moduleOf(link.GRE.Mode) == moduleOf(m) {
			return true
		}
	}
	return false
}

// hostFiles are the files that list the running kernel's modules.
type hostFiles struct {
	root    string // their root directory: "/", but in tests
	release string // of a kernel; empty for the running one
}

// loaded reports whether the module is loaded, or built in with parameters.
func (h hostFiles) loaded(module string) bool {
	_, err := os.Stat(filepath.Join(h.root, "sys/module", module))
	return err == nil
}

// loadable returns nil if the module is built in or can be loaded.
func (h hostFiles) loadable(m gre.Mode, module string) error {
	release := h.kernelRelease()
	directory := h.moduleDirectory(release)
	if directory == "" {
		return unsupported(m, fmt.Sprintf("module %s is not loaded, and there is no /lib/modules/%s to load it from", module, release),
			"if the kernel was updated since the last boot, boot again; in a container, load "+module+" on the host")
	}
	if listed(filepath.Join(directory, "modules.builtin"), module) {
		return nil
	}
	if !listed(filepath.Join(directory, "modules.dep"), module) {
		return unsupported(m, fmt.Sprintf("kernel %s has no module %s", release, module), "install the rest of the kernel's modules "+
			"(kernel-modules-extra on RHEL, Fedora and their kin; linux-modules-extra-"+release+" on Ubuntu); "+
			"where a cloud kernel or one of your own lacks the module, boot the distribution's standard kernel")
	}
	if h.loadingForbidden() {
		return unsupported(m, fmt.Sprintf("module %s is not loaded, and this host forbids loading modules (kernel.modules_disabled)", module),
			"let it be loaded at boot: put "+module+" into a file in /etc/modules-load.d, and boot again")
	}
	return nil
}

func unsupported(m gre.Mode, why, hint string) error {
	return &fault.Error{Kind: fault.ErrUnsupported, What: fmt.Sprintf("no tunnels of mode %s: %s", m, fault.Printable(why)), Hint: fault.Printable(hint)}
}

func (h hostFiles) kernelRelease() string {
	if h.release != "" {
		return h.release
	}
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(name.Release[:])
}

// moduleDirectory returns the directory of a kernel's modules, or "". The second place is that of a
// merged /usr without the link /lib, the third is NixOS's.
func (h hostFiles) moduleDirectory(release string) string {
	for _, parent := range []string{"lib/modules", "usr/lib/modules", "run/booted-system/kernel-modules/lib/modules"} {
		directory := filepath.Join(h.root, parent, filepath.Base(release))
		if info, err := os.Stat(directory); err == nil && info.IsDir() {
			return directory
		}
	}
	return ""
}

func (h hostFiles) loadingForbidden() bool {
	text, err := os.ReadFile(filepath.Join(h.root, "proc/sys/kernel/modules_disabled"))
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
