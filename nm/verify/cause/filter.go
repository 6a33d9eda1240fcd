package cause

import (
	"fmt"
	"strings"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// rpFilter is the reverse path filter of this host.
var rpFilter = row{
	Cause: Cause{"rp-filter", Proved, "this host drops packets whose source it would reach by another device (rp_filter 1: strict), or not at all (2: loose)",
		"nstat -az TcpExtIPReversePathFilter; sysctl -ar rp_filter"},
	when: func(ev Evidence) bool {
		return !ev.unfiltered() && ev.filtered() > 0 && ev.Heard.Counters.ReversePathFilter >= ev.filtered()
	},
	tell: func(ev Evidence) said { return ev.filterSaid() },
}

// perhapsRPFilter is the same where other packets may have moved the counter, which is the whole
// host's.
var perhapsRPFilter = row{
	Cause: Cause{"rp-filter", Likely, "", ""},
	when:  func(ev Evidence) bool { return !ev.unfiltered() && ev.perhapsFiltered() },
	tell:  func(ev Evidence) said { return ev.filterSaid() },
}

// FilterDevice returns the device whose reverse path filter may drop the far end's packets. The
// filter of the device by which outer packets come in drops them before the tunnel has them.
func (ev Evidence) FilterDevice() string {
	if !ev.blocked() {
		return ev.Tunnel.Name
	}
	for _, p := range ev.came(ev.between) {
		for _, l := range ev.Links {
			if p.Index != 0 && l.Index == p.Index {
				return l.Name
			}
		}
	}
	return ev.Under.Hop.Dev
}

// unfiltered reports whether the filter of that device is off.
func (ev Evidence) unfiltered() bool { return ev.Filter != nil && ev.Filter.Mode() == 0 }

// filtered counts the packets from the far end's inner address that the tunnel has taken, although
// nobody has got an answer.
func (ev Evidence) filtered() (n uint64) {
	for _, p := range ev.Heard.Accepted {
		if ev.ours(p) && p.InnerFrom == ev.Tunnel.PeerAddress && ev.Grew.RxPackets > 0 {
			n++
		}
	}
	return n
}

// perhapsFiltered reports whether the reverse path filter dropped as many packets as came in, where
// the packets that came to the tunnel cannot be heard, or none came so far.
func (ev Evidence) perhapsFiltered() bool {
	n := ev.Heard.Counters.ReversePathFilter
	if ev.blocked() {
		return ev.obstacle(false) == nil && n >= uint64(len(ev.came(ev.between)))
	}
	return !ev.hears(kernel.HearsAccepted) && ev.Grew.RxPackets > 0 && n == ev.Grew.RxPackets
}

// filterSaid tells of the reverse path filter.
func (ev Evidence) filterSaid() said {
	dev, n := ev.FilterDevice(), ev.Heard.Counters.ReversePathFilter
	s := said{summary: "this host's reverse path filter (rp_filter) drops what comes from the far end",
		evidence: fmt.Sprintf("IPReversePathFilter grew by %d while packets came in by %s", n, fault.Printable(dev)),
		advice:   "give the source a route by the device that its packets come in by", here: "sudo sysctl " + confOf(dev) + ".rp_filter=2",
		facts: Facts{"reverse_path_filter": n, "device": fault.Printable(dev)}}
	if ev.Filter == nil {
		return s
	}
	setting := confOf(dev)
	if ev.Filter.All > ev.Filter.Own {
		setting = confOf("all")
	}
	setting += ".rp_filter"
	s.summary = fmt.Sprintf("this host's reverse path filter is %s on %s, and drops what comes from the far end", ev.Filter, fault.Printable(dev))
	s.evidence += fmt.Sprintf("; %s = %d", setting, ev.Filter.Mode())
	s.facts = s.facts.With(Facts{"rp_filter": ev.Filter.Mode(), "setting": setting})
	if ev.Filter.Mode() > 1 { // loose: the filter has to go
		s.advice = "no route leads to the source: give it one"
		s.here = "sudo sysctl" + ev.filterOff(dev)
	}
	return s
}

// filterOff are the settings that switch the filter of a device off: its own alone does not help
// where the one for all devices is set.
func (ev Evidence) filterOff(dev string) (words string) {
	if ev.Filter.All > 0 {
		words += " " + confOf("all") + ".rp_filter=0"
	}
	if ev.Filter.Own > 0 {
		words += " " + confOf(dev) + ".rp_filter=0"
	}
	return words
}

// confOf is the folder of a device's settings in the words of sysctl, for which a dot in the
// device's name is a slash.
func confOf(dev string) string {
	return "net.ipv4.conf." + fault.ShellWord(strings.ReplaceAll(dev, ".", "/"))
}
