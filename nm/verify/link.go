package verify

import (
	"fmt"
	"strings"

	"nmgre/nm"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/differ"
	"nmgre/routes/fault"
)

// checkLink compares the kernel's link with the tunnel, attribute by attribute. NetworkManager does
// not: it takes over a link with other keys.
func (v *verifier) checkLink() Check {
	const id = "link"
	if v.link == nil {
		if v.profile.State == nm.StateActive || v.profile.State == nm.StateExternal {
			return Check{ID: id, Status: Fail, Certainty: Proved, Cause: cause.NoDevice, Summary: "the tunnel is up for NetworkManager, but the kernel has no such device",
				Hint: "take it down and up: nmgre down " + fault.Operand(v.name) + "; nmgre up " + fault.Operand(v.name)}
		}
		return skip(id, noLink)
	}
	if v.link.GRE == nil {
		return Check{ID: id, Status: Fail, Certainty: Proved, Cause: cause.NotGRE, Summary: "the device with that name is no GRE tunnel",
			Evidence: fmt.Sprintf("%s is of the kind \"%s\"", fault.Printable(v.link.Name), fault.Printable(v.link.Kind)), Hint: "give the tunnel another name"}
	}
	c := Check{ID: id, Status: Pass, Certainty: Proved, Summary: "the kernel's link agrees with the profile", Evidence: nm.DescribeLink(*v.link)}
	if differences := differ.Link(v.tunnel, *v.link, v.linkName(v.link.GRE.Parent)); len(differences) > 0 {
		c.Status, c.Cause, c.Summary, c.Evidence = Fail, cause.LinkDiffers, "the kernel's link differs from the profile", strings.Join(differences, "; ")
		c.Hint = "make a new link: nmgre down " + fault.Operand(v.name) + " && nmgre up " + fault.Operand(v.name)
	} else if !v.link.Up {
		c.Status, c.Cause, c.Summary, c.Hint = Fail, cause.LinkDown, "the link is administratively down", "bring it up: nmgre up "+fault.Operand(v.name)
	}
	return c
}

// linkName returns the name of a link, or the empty string.
func (v *verifier) linkName(index int) string {
	for _, link := range v.links {
		if link.Index == index && index != 0 {
			return fault.Printable(link.Name)
		}
	}
	return ""
}
