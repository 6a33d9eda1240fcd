package find

import (
	"cmp"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// NeverUp returns a hint if the kernel never makes the link of a profile that somebody else wrote.
// name is the tunnel's for a command. The hint is empty for every other profile.
func NeverUp(t nm.Tunnel, name string) string {
	switch {
	case nm.IsFallback(t.Name):
		return t.Name + " is a device of the kernel's own, which nobody can make or delete; give the tunnel another name: nmgre edit " + name + " --name " + nm.FreeName(nil)
	case gre.NoFarEnd(t.Mode, t.Remote):
		return "the kernel makes no " + t.Mode.String() + " link without a far end; give it one: nmgre edit " + name + " --peer ADDR"
	}
	return ""
}

// UpHint is the hint for a tunnel that is down.
func UpHint(t nm.Tunnel, name string) string {
	name = fault.Operand(name)
	return cmp.Or(NeverUp(t, name), "bring it up: nmgre up "+name)
}
