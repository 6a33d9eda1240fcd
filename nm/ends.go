package nm

import (
	"strings"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Keys of a profile's user data for the settings that NetworkManager has no property for.
const (
	KeyPeerName = "nmgre.peer-name" // the name that the far end was found by
	KeyFollow   = "nmgre.follow"    // Yes where `nmgre follow` looks the name up again
	KeyNoProbe  = "nmgre.no-probe"  // Yes where the far end is never probed
	KeyDocument = "nmgre.document"  // the document that it was made from
	KeyLeader   = "nmgre.leader"    // of an edit, as [Tunnel] has it
	KeyDoomed   = "nmgre.doomed"    // Yes where the tunnel is deleted when the trial ends
	KeyAdopts   = "nmgre.adopted"   // Yes where the link was made by hand: NetworkManager never deletes it

	Yes = "yes" // the value of a key that is set
)

// The words of --no-probe that last in the profile.
const (
	Always = "always"
	Never  = "never"
)

// ProbeWord returns the word of --no-probe for a tunnel whose far end is never probed, and for one
// whose far end is.
func ProbeWord(noProbe bool) string {
	if noProbe {
		return Always
	}
	return Never
}

// Note is an entry of a profile's user data. Its Value is empty where there is none.
type Note struct{ Key, Value string }

// Notes returns the entries of a profile's user data for the tunnel, also those without a value.
func (t Tunnel) Notes() []Note {
	yes := func(on bool) string {
		if on {
			return Yes
		}
		return ""
	}
	return []Note{{KeyPeerName, t.PeerName}, {KeyFollow, yes(t.Follow)}, {KeyNoProbe, yes(t.NoProbe)}, {KeyDocument, t.Document}, {KeyLeader, t.Leader}, {KeyDoomed, yes(t.Doomed)}}
}

// MaxZone is the highest number of bytes of the name of a zone: firewalld makes chains of iptables
// from it, whose names are that short.
const MaxZone = 17

// CheckZone returns the problem of the name of a zone, nil if firewalld could have such a zone.
func CheckZone(zone string) *fault.Error {
	const hint = "the names are 1 to 17 letters, digits, '_' or '-'; firewall-cmd --get-zones lists them"
	notInZone := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-/", r)
	}
	switch {
	case len(zone) > MaxZone:
		return fault.Invalid("zone", hint, "\"%.80s\" is %d bytes long, and firewalld allows %d", fault.Printable(zone), len(zone), MaxZone)
	case strings.IndexFunc(zone, notInZone) >= 0, strings.HasPrefix(zone, "-"), strings.HasPrefix(zone, "/"), strings.HasSuffix(zone, "/"), strings.Count(zone, "/") > 1:
		return fault.Invalid("zone", hint, "\"%.80s\" is no name that a zone can have", fault.Printable(zone))
	}
	return nil
}

// checkEnds checks the zone, and the notes about the far end.
func checkEnds(t Tunnel) fault.List {
	var problems fault.List
	if t.Zone != "" {
		problems.Add(CheckZone(t.Zone))
	}
	if t.PeerName != "" && !IsHostName(t.PeerName) {
		problems.Add(fault.Invalid("peer", "give a name such as gw.example.org", "\"%.80s\" is not the name of a host", fault.Printable(t.PeerName)))
	}
	if t.Follow && t.PeerName == "" {
		problems.Add(fault.Invalid("follow", "give the far end by its name: --peer NAME", "the far end was given by its address, and an address leads nowhere else"))
	}
	return problems
}

// IsHostName says whether text can be the name of a host, as [keep.IsHostName] does.
func IsHostName(text string) bool { return keep.IsHostName(text) }

// Followed is the name by which the far end is followed; empty for one that stays where it is.
func (t Tunnel) Followed() string {
	if !t.Follow {
		return ""
	}
	return t.PeerName
}

// FollowedAfter is the name by which root may follow the far end after a change, where it kept k
// before. Any user of the profile may write the name there, so root's file takes it over only with
// the first route or rule that is kept, or if the change itself is about the name.
func FollowedAfter(k keep.Kept, before, after Tunnel) string {
	if k.Empty() || before.Followed() != after.Followed() {
		return after.Followed()
	}
	return k.PeerName
}

// PeerFlag is the value of --peer for the tunnel.
func (t Tunnel) PeerFlag() string {
	switch {
	case t.PeerName == "":
		return t.Remote.String()
	case !t.Remote.IsValid(): // nobody has looked it up yet
		return t.PeerName
	}
	return t.PeerName + "=" + t.Remote.String()
}
