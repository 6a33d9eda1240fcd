package cause

import (
	"fmt"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Shadow is a link that has the interface name of a profile which is down.
type Shadow struct {
	Profile nm.Profile  // the one that is down
	By      *nm.Profile // the one whose link it is; nil if NetworkManager has none for it
	Link    kernel.Link
}

// shadowed is the cause of a tunnel whose place another link has taken.
var shadowed = []row{{
	Cause: Cause{"shadowed", Proved, "another link has the tunnel's name, so its profile is down: one made by hand, or another profile's",
		"nmcli -f NAME,UUID,DEVICE connection show; ip -d link show dev NAME"},
	when: func(ev Evidence) bool { return ev.Shadow != nil },
	tell: func(ev Evidence) said { return ev.Shadow.tell() },
}}

// OfProfile returns why the tunnel's profile is not up, or nil if that is not known.
func OfProfile(ev Evidence) *Finding { return firstOf(shadowed, ev) }

func (s Shadow) tell() said {
	dev, uuid := fault.Printable(s.Link.Name), s.Profile.UUID
	told := said{summary: fmt.Sprintf("the tunnel is not up: the link %s was made by hand, or by another program, and stands in its place", dev),
		evidence: "the profile " + s.Profile.Which() + "; NetworkManager has no profile for the link", here: "sudo ip link delete dev " + fault.ShellWord(s.Link.Name) + " && nmgre up " + fault.Operand(uuid),
		facts: Facts{"uuid": uuid, "device": dev}}
	if nm.IsFallback(s.Link.Name) {
		told.summary, told.here = "the tunnel is not up: "+dev+" is a device of the kernel's own, which nobody can make or delete", "nmgre edit "+s.Profile.Nmcli()+" --name "+nm.FreeName(nil)
	} else if s.By != nil {
		told.evidence, told.facts["link_uuid"], told.facts["link_profile"] = "the profile "+s.Profile.Which()+"; the link belongs to "+s.By.Which(), s.By.UUID, fault.Printable(s.By.ID)
		if s.By.State != nm.StateExternal {
			told.summary = fmt.Sprintf("the tunnel is not up: another profile for %s is, which has the name %s", dev, fault.Printable(s.By.ID))
			told.here = "nmgre down " + fault.Operand(s.By.UUID) + " && nmgre up " + fault.Operand(uuid)
		}
	}
	return told
}
