package output

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// Show writes one field per line, then the routes and the kernel's counters.
func Show(w io.Writer, s nmgre.Status, far nm.FarEnd, asJSON bool) error {
	if asJSON {
		return JSON(w, newDetail(s, far))
	}
	return table(w, func(w io.Writer) {
		for _, f := range showFields(s) {
			if f.value != "" {
				fmt.Fprintf(w, "%s:\t%s\n", f.name, OneLine(f.value))
			}
		}
		for _, r := range newRoutes(s) {
			fmt.Fprintf(w, "route:\t%s (%s: %s)\n", fault.Escaped(r.Route), r.Owner, OneLine(r.Why))
		}
		for _, r := range newRules(s) {
			fmt.Fprintf(w, "rule:\t%s (%s: %s)\n", fault.Escaped(r.Rule), r.Owner, OneLine(r.Why))
		}
		if l := s.Link; l != nil {
			c := l.Counters
			fmt.Fprintf(w, "sent:\t%s, %s, %s, %d dropped\n", fault.Count(c.TxPackets, "packet"), fault.Count(c.TxBytes, "byte"), fault.Count(c.TxErrors, "error"), c.TxDropped)
			fmt.Fprintf(w, "received:\t%s, %s, %s, %d dropped\n", fault.Count(c.RxPackets, "packet"), fault.Count(c.RxBytes, "byte"), fault.Count(c.RxErrors, "error"), c.RxDropped)
		}
		if command := far.CreateCommand(); command != "" {
			fmt.Fprintf(w, "far end:\t%s\n", command)
		}
		for _, note := range far.Told() {
			fmt.Fprintf(w, "note:\t%s\n", OneLine(note))
		}
	})
}

type field struct{ name, value string }

// betweenText names the devices between which packets are forwarded.
func betweenText(devices []string) string {
	if len(devices) == 0 {
		return ""
	}
	return "between " + fault.Printable(strings.Join(devices, ", "))
}

func onlyOn(on bool) string {
	if on {
		return onOff(on)
	}
	return ""
}

func showFields(s nmgre.Status) []field {
	t := s.Tunnel
	state := string(s.State)
	if s.DeviceState != "" {
		state += ", device " + fault.Printable(s.DeviceState)
	}
	fields := []field{
		{"name", fault.Printable(s.ID)}, {"interface", fault.Printable(t.Name)}, {"uuid", s.UUID}, {"state", state},
		{"not applied", s.Pending.Advice(t.Name)}, {"mode", t.Mode.String()}, {"local", gre.OuterText(t.Local)}, {"remote", gre.RemoteText(t.Mode, t.Remote)}, {"far end's name", nameText(t)}, {"zone", fault.Printable(t.Zone)}, {"parent", fault.Printable(t.Parent)},
		{"input key", keyForms(t.InputKey)}, {"output key", keyForms(t.OutputKey)},
		{"ttl", gre.TTLText(t.TTL)}, {"tos", gre.TOSText(t.TOS)}, {"path MTU discovery", onOff(!t.NoPMTUD)},
		{"mtu", mtuText(s)}, {"addresses", joined(t.Addresses)}, {"autoconnect", onOff(t.Autoconnect)}, {"file", fault.Printable(s.Path)},
	}
	if t.NoProbe {
		fields = append(fields, field{"probes", "never: verify judges by the counters (--no-probe=" + nm.Always + ")"})
	}
	if t.PeerAddress.IsValid() {
		fields = append(fields, field{"peer address", nm.AddrTexts(t.Peers())})
	}
	fields = append(fields, field{"controller", controllerText(s)}, field{"mac", t.MAC}, field{"link options", strings.Join(s.Kept.Link.Names(), ", ")})
	if k := s.Kept; !k.Empty() {
		fields = append(fields, field{"snat", strings.Join(texts(k.SNAT), ", ")}, field{"forwarding", betweenText(k.Forward)}, field{"clamp mss", onlyOn(k.ClampMSS)})
	}
	if t.Mode.IPv6Outer() {
		fields = append(fields, field{"encapsulation limit", limitText(t)}, field{"flow label", number(t.FlowLabel)}, field{"flags", t.Flags.String()})
	}
	return fields
}

// nameText writes the name that the far end was found by, and whether it is followed.
func nameText(t nm.Tunnel) string {
	if t.Follow {
		return fault.Printable(t.PeerName) + ", followed"
	}
	return fault.Printable(t.PeerName)
}

// controllerText names the bridge whose port the tunnel is, and the port's state.
func controllerText(s nmgre.Status) string {
	text := fault.Printable(s.Tunnel.Controller)
	if text != "" && s.Link != nil {
		text += ", state " + s.Link.Port.String()
	}
	return text
}

func limitText(t nm.Tunnel) string {
	if t.HasNoEncapLimit() {
		return "none"
	}
	return number(uint32(t.EncapLimit))
}

// summary is a tunnel in a line: its mode, both ends, its inner addresses, and the device's MTU.
func summary(s nmgre.Status) string {
	t := s.Tunnel
	text := fmt.Sprintf("%s %s -> %s, %s", t.Mode, gre.OuterText(t.Local), gre.OuterText(t.Remote), insideText(t))
	switch {
	case t.MTU != 0:
		text += fmt.Sprintf(", mtu %d", t.MTU)
	case s.Link != nil:
		text += fmt.Sprintf(", mtu %d (the kernel's own)", s.Link.MTU)
	}
	return text
}

// insideText names the inside of the tunnel: this end's inner addresses, or the bridge whose port
// it is.
func insideText(t nm.Tunnel) string {
	switch {
	case t.Controller != "":
		return "port of " + fault.Printable(t.Controller)
	case len(t.Addresses) == 0:
		return "no inner address"
	}
	return "inner " + joined(t.Addresses)
}

// keyForms writes a key in each form that tools at the far end may show.
func keyForms(k *gre.Key) string {
	if k == nil {
		return ""
	}
	return fmt.Sprintf("%s (%s, %s)", k, k.Hex(), k.Dotted())
}

// mtuText writes the profile's MTU, and the device's where it differs.
func mtuText(s nmgre.Status) string {
	text := "the kernel's own"
	if s.Tunnel.MTU != 0 {
		text = number(s.Tunnel.MTU)
	}
	if s.Link != nil && s.Link.MTU != int(s.Tunnel.MTU) {
		text += fmt.Sprintf(", the device has %d", s.Link.MTU)
	}
	return text
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func onOff(on bool) string {
	if on {
		return "yes"
	}
	return "no"
}
