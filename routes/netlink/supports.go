package netlink

import (
	"context"
	"fmt"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/modules"
)

// Supports returns nil when the kernel has the mode or can load it. Otherwise it returns an
// ErrUnsupported that names the missing module. It loads and changes nothing: it looks for the
// module among the loaded ones, for a device of its kinds (gre0 is one), and in the running
// kernel's lists of modules that are built in or can be loaded.
func (k *Kernel) Supports(m gre.Mode) error {
	err := supports(k.files, m)
	if err != nil && k.hasKind(m) {
		return nil
	}
	return err
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

// supports returns nil if the mode's module is loaded, built in, or can be loaded.
func supports(files modules.Files, m gre.Mode) error {
	module, release := moduleOf(m), files.KernelRelease()
	switch files.State(module) {
	case modules.Loaded, modules.BuiltIn, modules.Loadable:
	case modules.NoFolder:
		return unsupported(m, fmt.Sprintf("module %s is not loaded, and there is no /lib/modules/%s to load it from", module, release),
			"if the kernel was updated since the last boot, boot again; in a container, load "+module+" on the host")
	case modules.Absent:
		return unsupported(m, fmt.Sprintf("kernel %s has no module %s", release, module), "install the rest of the kernel's modules "+
			"(kernel-modules-extra on RHEL, Fedora and their kin; linux-modules-extra-"+release+" on Ubuntu); "+
			"where a cloud kernel or one of your own lacks the module, boot the distribution's standard kernel")
	case modules.Forbidden:
		return unsupported(m, fmt.Sprintf("module %s is not loaded, and this host forbids loading modules (kernel.modules_disabled)", module),
			"let it be loaded at boot: put "+module+" into a file in /etc/modules-load.d, and boot again")
	}
	return nil
}

func unsupported(m gre.Mode, why, hint string) error {
	return &fault.Error{Kind: fault.ErrUnsupported, What: fmt.Sprintf("no tunnels of mode %s: %s", m, fault.Printable(why)), Hint: fault.Printable(hint)}
}
