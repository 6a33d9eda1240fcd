package doctor

import "fmt"

// Link is a GRE link of the kernel that belongs to no profile: somebody, or another program, has
// made it.
type Link struct {
	Mode   string `json:"mode"`
	Remote string `json:"remote,omitempty"` // the far end, shortened
	Up     bool   `json:"up"`
	// Holder is who has it: "NetworkManager" mirrors it (external), "systemd-networkd" manages it,
	// "metadata" for a link whose far ends another program chooses, packet by packet, and "unknown"
	// while NetworkManager does not tell its profiles. Empty: nobody that is known.
	Holder string `json:"holder,omitempty"`
	// Profile says that an inactive profile has the link's name.
	Profile bool `json:"profile_of_its_name,omitempty"`
}

// The values of [Link.Holder].
const (
	HeldMirrored = "NetworkManager"
	HeldNetworkd = "systemd-networkd"
	HeldMetadata = "metadata"
	HeldUnknown  = "unknown"
)

// ofLinks names the GRE links that no profile has. The screens and list do not show all of them.
func ofLinks(f *Facts) (list []Finding) {
	counts := make(map[string]int)
	inWay := 0
	for _, l := range f.Links {
		counts[l.Holder]++
		if l.Profile {
			inWay++
		}
	}
	if inWay > 0 {
		list = append(list, problem(counted(inWay, "link has", "links have")+" the name of a tunnel that is down: the tunnel cannot come up beside it",
			"look at them: ip -d link show; remove it (sudo ip link delete IFNAME), then: nmgre up NAME"))
	}
	if n := counts[""]; n > 0 {
		list = append(list, note(fmt.Sprintf("%s made by hand, and NetworkManager does not manage %s", counted(n, "GRE link was", "GRE links were"), them(n)), linksHint))
	}
	if n := counts[HeldMirrored]; n > 0 {
		list = append(list, note(fmt.Sprintf("%s made by hand; NetworkManager only mirrors %s (external)", counted(n, "GRE link was", "GRE links were"), them(n)), linksHint))
	}
	if n := counts[HeldNetworkd]; n > 0 {
		list = append(list, note(counted(n, "GRE link is", "GRE links are")+" systemd-networkd's", "nmgre leaves "+them(n)+" alone; networkctl shows "+them(n)))
	}
	if n := counts[HeldMetadata]; n > 0 {
		list = append(list, ok("%s in external mode: another program chooses the far ends", counted(n, "GRE link is", "GRE links are")))
	}
	if n := counts[HeldUnknown]; n > 0 {
		list = append(list, note(counted(n, "GRE link is", "GRE links are")+" there; whose, NetworkManager would have to say", "see networkmanager above; the links themselves: ip -d link show"))
	}
	if len(list) == 0 {
		return one(ok("every GRE link is a profile's"))
	}
	return list
}

// linksHint names the command that shows the links' names, which are not in the report.
const linksHint = "nmgre list names them; sudo nmgre adopt IFNAME makes a profile of one, while it is up"

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
