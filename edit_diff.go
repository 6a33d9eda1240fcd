package nmgre

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// FieldChange is one difference that an edit makes.
type FieldChange struct {
	Field string // the flag of `nmgre create`, without dashes
	// Old and New are values as the flag takes them; empty for none. A list, such as the routes, has a FieldChange for each entry that goes or
	// comes.
	Old, New string
}

// String returns "mtu: 1476 -> 1400", "route: - 10.10.2.0/24" or "route: + 10.10.2.0/24".
func (c FieldChange) String() string {
	switch {
	case c.New == "" && c.isList():
		return c.Field + ": - " + c.Old
	case c.Old == "" && c.isList():
		return c.Field + ": + " + c.New
	}
	return fmt.Sprintf("%s: %s -> %s", c.Field, orNone(c.Old), orNone(c.New))
}

// isList says whether the flag may be repeated.
func (c FieldChange) isList() bool {
	return c.Field == "address" || c.Field == "route" || c.Field == "snat"
}

// reapplied says whether NetworkManager can apply the change while the tunnel is up: of ip-tunnel's own properties only the MTU
// (can_reapply_change in nm-device-ip-tunnel.c).
func (c FieldChange) reapplied() bool {
	switch c.Field {
	case "address", "peer-address", "mtu", "autoconnect", "route", "snat", "forward", "clamp-mss":
		return true
	}
	return false
}

// diffTunnels lists what differs, in the order of create's flags.
func diffTunnels(a, b Tunnel) []FieldChange {
	var list []FieldChange
	for i, old := range a.fields() {
		if now := b.fields()[i]; old.value != now.value {
			list = append(list, FieldChange{old.name, old.value, now.value})
		}
	}
	list = append(list, diffKeys(a, b)...)
	list = append(list, diffList("address", a.Addresses, b.Addresses)...)
	list = append(list, diffList("route", a.Routes, b.Routes)...)
	return append(list, diffList("snat", a.SNAT, b.SNAT)...)
}

// fields are the values that stand once, as create's flags take them.
func (t Tunnel) fields() []property {
	number := func(n uint32) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(uint64(n), 10)
	}
	return []property{
		{"name", t.Name}, {"mode", t.Mode.String()}, {"peer", addrText(t.Remote)}, {"local", t.localText()}, {"peer-address", addrText(t.PeerAddress)},
		{"ttl", t.ttlText()}, {"tos", tosWord(t.TOS)}, {"mtu", number(t.MTU)}, {"no-pmtud", strconv.FormatBool(t.NoPMTUD)}, {"parent", t.Parent},
		{"encap-limit", number(uint32(t.EncapLimit))}, {"flow-label", number(t.FlowLabel)}, {"flags", number(uint32(t.Flags))},
		{"forward", strconv.FormatBool(t.Forward)}, {"clamp-mss", strconv.FormatBool(t.ClampMSS)}, {"autoconnect", strconv.FormatBool(t.Autoconnect)},
	}
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func (t Tunnel) localText() string {
	if t.Local.IsValid() && t.Local.IsUnspecified() {
		return "any"
	}
	return addrText(t.Local)
}

func tosWord(tos uint8) string {
	if tos == 1 {
		return "inherit"
	}
	return strconv.Itoa(int(tos))
}

// diffKeys tells of one key where both directions had and have the same.
func diffKeys(a, b Tunnel) []FieldChange {
	text := func(k *Key) string {
		if k == nil {
			return ""
		}
		return k.String()
	}
	if sameKey(a.InputKey, a.OutputKey) && sameKey(b.InputKey, b.OutputKey) {
		if sameKey(a.InputKey, b.InputKey) {
			return nil
		}
		return []FieldChange{{"key", text(a.InputKey), text(b.InputKey)}}
	}
	var list []FieldChange
	for _, k := range []struct {
		field    string
		old, now *Key
	}{{"input-key", a.InputKey, b.InputKey}, {"output-key", a.OutputKey, b.OutputKey}} {
		if !sameKey(k.old, k.now) {
			list = append(list, FieldChange{k.field, text(k.old), text(k.now)})
		}
	}
	return list
}

// diffList tells what goes, then what comes. Where only the order differs there is nothing to tell.
func diffList[T fmt.Stringer](field string, a, b []T) []FieldChange {
	texts := func(list []T) (texts []string, has map[string]bool) {
		has = make(map[string]bool, len(list))
		for _, entry := range list {
			texts = append(texts, entry.String())
			has[entry.String()] = true
		}
		return texts, has
	}
	olds, had := texts(a)
	news, has := texts(b)
	var list []FieldChange
	for _, old := range olds {
		if !has[old] {
			list = append(list, FieldChange{field, old, ""})
		}
	}
	for _, now := range news {
		if !had[now] {
			list = append(list, FieldChange{field, "", now})
		}
	}
	return list
}

// The steps of an edit, beside those that making a tunnel has too.
const (
	StepDown  = "down"
	StepApply = "apply"
)

// steps lists what the edit takes.
func (p EditPlan) steps() []Step {
	if len(p.Changes) == 0 {
		return nil
	}
	var steps []Step
	up := p.up()
	if p.profileDiffers() {
		steps = append(steps, Step{ID: StepProfile, What: "change the profile " + Printable(p.Profile.ID) + ", in memory only",
			Why: "what is not finished shall not survive: it goes to disk when all the rest is done", Commands: p.nmcliModify(true)})
		steps = append(steps, p.applySteps()...)
	}
	if p.keptDiffers() {
		kept := Plan{Tunnel: p.After, Routes: p.keptNews(), Kept: p.Kept}
		if kept.Kept.Empty() {
			steps = append(steps, Step{ID: StepRoute, What: "remove what nmgre keeps: " + p.before.summary(), Why: "nothing of it is wanted any more"})
		}
		steps = append(steps, kept.keptSteps()...)
	}
	if up {
		steps = append(steps, Step{ID: StepCheck, What: "read back what the kernel holds, and probe the far end",
			Why: "a GRE link that is up proves nothing", Commands: checkCommands(p.After)})
	}
	if p.profileDiffers() && !p.Profile.Unsaved {
		steps = append(steps, Step{ID: StepSave, What: "write the profile to disk",
			Why: "from here on the change is there, also after a reboot", Commands: p.nmcliModify(false)})
	}
	return steps
}

// applySteps are those by which the device gets what the profile says.
func (p EditPlan) applySteps() []Step {
	if !p.up() {
		return nil
	}
	if !p.Flaps {
		return []Step{{ID: StepApply, What: "apply it while the tunnel is up", Why: p.Why, Commands: []string{"nmcli device reapply " + shellQuote(p.Profile.Device)}}}
	}
	return []Step{
		{ID: StepDown, What: "take the tunnel down", Why: p.Why, Commands: nmcliCommand("down", p.Profile.UUID)},
		{ID: StepActivate, What: "bring it up, and wait until its addresses are set", Why: "NetworkManager makes the link anew",
			Commands: nmcliCommand("up", p.Profile.UUID)},
	}
}

// keptNews are the routes that the kernel gets with the edit.
func (p EditPlan) keptNews() []Owned {
	old := routeTexts(p.before.Routes)
	var news []Owned
	for _, o := range p.Routes {
		if o.Owner == OwnerKernel && !old[o.Route.String()] {
			news = append(news, o)
		}
	}
	return news
}

// nmcliModify returns the nmcli command that changes the profile in the same way; none if nmcli cannot.
func (p EditPlan) nmcliModify(inMemory bool) []string {
	var more []string
	if p.Profile.ID == p.Before.Name && p.After.Name != p.Before.Name {
		more = []string{"connection.id", p.After.Name}
	}
	return modifyCommand(p.Profile.UUID, p.Profile.Tunnel, p.profileAfter(), inMemory, more...)
}

// modifyCommand returns the nmcli command that makes b of a profile that holds a; none if there is nothing that nmcli can change: the far
// end's inner address is nmgre's own note.
func modifyCommand(uuid string, a, b Tunnel, inMemory bool, more ...string) []string {
	words := []string{"nmcli", "connection", "modify"}
	if inMemory {
		words = append(words, "--temporary")
	}
	words = append(words, uuid)
	bare := len(words)
	old, now := a.modifyProperties(), b.modifyProperties()
	for i := range old {
		if old[i].value != now[i].value {
			words = append(words, old[i].name, now[i].value)
		}
	}
	if words = append(words, more...); len(words) == bare {
		return nil
	}
	return []string{shellJoin(words)}
}

// modifyProperties are nmcli's properties that an edit may change, in an order of their own, each with its value or "".
func (t Tunnel) modifyProperties() []property {
	list := []property{{"connection.interface-name", t.Name}, {"connection.autoconnect", strconv.FormatBool(t.Autoconnect)},
		{"ip-tunnel.mode", t.Mode.String()}, {"ip-tunnel.remote", addrText(t.Remote)}, {"ip-tunnel.local", ""}, {"ip-tunnel.parent", t.Parent}}
	if t.Local.IsValid() && !t.Local.IsUnspecified() {
		list[4].value = t.Local.String()
	}
	set := make(map[string]string)
	for _, p := range t.tunnelProperties() {
		set[p.name] = p.value
	}
	for _, name := range []string{"input-key", "output-key", "ttl", "tos", "path-mtu-discovery", "encapsulation-limit", "flow-label", "flags", "mtu"} {
		list = append(list, property{"ip-tunnel." + name, set[name]})
	}
	for _, family := range []struct {
		name string
		is   func(netip.Addr) bool
	}{{"ipv4", netip.Addr.Is4}, {"ipv6", netip.Addr.Is6}} {
		list = append(list, t.modifyFamily(family.name, family.is)...)
	}
	return list
}

func (t Tunnel) modifyFamily(name string, is func(netip.Addr) bool) []property {
	list := []property{{name + ".method", "disabled"}, {name + ".addresses", ""}, {name + ".routes", ""}}
	var addresses, routes []string
	for _, a := range t.Addresses {
		if is(a.Addr()) {
			addresses = append(addresses, a.String())
		}
	}
	for _, r := range t.Routes {
		if is(r.Dst.Addr()) {
			routes = append(routes, r.nmcli())
		}
	}
	if len(addresses) > 0 {
		list[0].value = "manual"
	}
	list[1].value, list[2].value = strings.Join(addresses, ","), strings.Join(routes, ", ")
	return list
}

// lines returns the changes as lines, not more than most of them.
func changeLines(changes []FieldChange, most int) []string {
	var lines []string
	for i, c := range changes {
		if i == most {
			return append(lines, fmt.Sprintf("and %d more", len(changes)-most))
		}
		lines = append(lines, c.String())
	}
	return slices.Clip(lines)
}

// Diff returns what the edit changes, a line for each: at most a hundred, and how many there are beside them.
func (p EditPlan) Diff() []string { return changeLines(p.Changes, 100) }
