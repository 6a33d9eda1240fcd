package keep

import (
	"cmp"
	"fmt"
	"net/netip"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Bound returns nil if k may be carried out for the tunnel as it is: its profile p, and its device
// link, which may be nil. Root has allowed k for one interface and one far end. Any user may own
// the profile and lead it elsewhere: then nothing of k is carried out, and the error says why.
func (k Kept) Bound(p Running, link *kernel.Link) error {
	name := fault.Printable(k.Name)
	switch {
	case !p.GRE:
		return &fault.Error{What: name + ": the profile is no GRE tunnel any more, so nothing is set of what root keeps for it",
			Hint: "make it a tunnel again, or remove what root keeps: sudo rm /etc/nmgre/tunnels/" + k.UUID}
	case p.Name != k.Name:
		return &fault.Error{What: fmt.Sprintf("%s: the interface of the profile is %s by now, so nothing is set of what root keeps for %[1]s", name, fault.Printable(p.Name)),
			Hint: "give it its old name: nmcli connection modify " + cmp.Or(p.Nmcli, k.UUID) + " connection.interface-name " + fault.ShellWord(k.Name)}
	case !sameEnd(p.Remote, k.Remote):
		return &fault.Error{What: fmt.Sprintf("%s: the far end of the profile is %s by now, so nothing is set of what root keeps for the far end %s", name, endText(p.Remote), endText(k.Remote)),
			Hint: fmt.Sprintf("if that is right, move it: sudo nmgre edit --peer %s %s", endText(p.Remote), fault.Operand(k.Name))}
	}
	return k.boundTo(link)
}

// boundTo is [Kept.Bound] for the device alone.
func (k Kept) boundTo(link *kernel.Link) error {
	if link == nil || link.GRE == nil || sameEnd(link.GRE.Remote, k.Remote) {
		return nil
	}
	return &fault.Error{What: fmt.Sprintf("%s: the device leads to %s, so nothing is set of what root keeps for the far end %s", fault.Printable(k.Name), endText(link.GRE.Remote), endText(k.Remote)),
		Hint: "have it made anew: nmgre down " + fault.Operand(k.Name) + " && nmgre up " + fault.Operand(k.Name)}
}

// sameEnd reports whether a and b are the same far end. The unspecified address stands for any.
func sameEnd(a, b netip.Addr) bool {
	isAny := func(end netip.Addr) bool { return !end.IsValid() || end.IsUnspecified() }
	return a == b || isAny(a) && isAny(b)
}

// endText names a far end.
func endText(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return "any"
	}
	return a.String()
}
