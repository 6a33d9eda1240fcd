package pair

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// View has the settings of one end, and the packets that it has seen while both ends sent some.
type View struct {
	Found bool   `json:"found"` // it has a tunnel between the two outer addresses
	Name  string `json:"name"`
	Up    bool   `json:"up"`
	// Mode, addresses and keys are those of the link, or of the profile of a tunnel that is down.
	Mode   string         `json:"mode"`
	Local  netip.Addr     `json:"local"`
	Remote netip.Addr     `json:"remote"`
	Input  string         `json:"input_key"` // empty for none
	Output string         `json:"output_key"`
	Inner  []netip.Prefix `json:"inner"`
	Peer   netip.Addr     `json:"peer"` // the other end's inner address that it asks

	Deaf     bool   `json:"deaf"`     // it could not listen to the packets
	More     bool   `json:"more"`     // it could not keep all that it heard
	Sent     []Seal `json:"sent"`     // as they left the host, behind its firewall
	Arrived  []Seal `json:"arrived"`  // before its firewall
	Accepted []Seal `json:"accepted"` // behind its firewall
	Probed   int    `json:"probed"`   // how many echo requests it sent into the tunnel
	Answered int    `json:"answered"`
}

// Seal has the fields of GRE packets that look alike.
type Seal struct {
	From  netip.Addr `json:"from"` // outer
	To    netip.Addr `json:"to"`
	Key   string     `json:"key"` // empty for none
	Inner netip.Addr `json:"inner"`
	For   netip.Addr `json:"for"` // inner
}

// maxSeals bounds a list of packets.
const maxSeals = 128

// check refuses a view that no host can have.
func (v *View) check() error {
	if v == nil {
		return nil
	}
	switch {
	case v.Name != "" && !routes.IsDevice(v.Name):
		return bad("%s is no name of a device", fault.Printable(v.Name))
	case len(v.Sent) > maxSeals || len(v.Arrived) > maxSeals || len(v.Accepted) > maxSeals || len(v.Inner) > maxList:
		return bad("it has seen too much")
	case v.Probed < 0 || v.Answered < 0 || v.Answered > maxMessages || v.Probed > maxMessages:
		return bad("%d of %d is no number of answers", v.Answered, v.Probed)
	}
	if zoned(v.Local, v.Remote, v.Peer) {
		return bad("the addresses of a tunnel have no zone")
	}
	for _, key := range []string{v.Input, v.Output} {
		if err := checkKey(key); err != nil {
			return err
		}
	}
	for _, s := range slices.Concat(v.Sent, v.Arrived, v.Accepted) {
		if err := checkKey(s.Key); err != nil {
			return err
		}
		if zoned(s.From, s.To, s.Inner, s.For) {
			return bad("the addresses of a packet have no zone")
		}
	}
	if _, err := gre.ParseMode(v.Mode); v.Found && err != nil {
		return bad("%s is no mode", fault.Printable(v.Mode))
	}
	return nil
}

// checkKey refuses a text that is no key.
func checkKey(text string) error {
	if text == "" {
		return nil
	}
	if _, err := gre.ParseKey(text); err != nil {
		return bad("%s is no key", fault.Printable(text))
	}
	return nil
}

// ViewOf is the view of a host with a tunnel, before anything was sent. link is nil for a tunnel
// that is down.
func ViewOf(p nm.Profile, link *kernel.Link) View {
	t := p.Tunnel
	v := View{Found: true, Name: t.Name, Mode: t.Mode.String(), Local: t.Local, Remote: t.Remote, Input: keyText(t.InputKey), Output: keyText(t.OutputKey), Inner: t.Addresses, Peer: t.PeerAddress}
	if link == nil || link.GRE == nil {
		return v
	}
	g := link.GRE
	v.Up, v.Mode, v.Local, v.Remote = link.Up, g.Mode.String(), g.Local, g.Remote
	v.Input, v.Output, v.Inner = keyText(g.InputKey), keyText(g.OutputKey), link.Given(t.Addresses)
	return v
}

// Hear adds the packets that a host has heard.
func (v *View) Hear(h kernel.Heard) {
	v.Sent, v.Arrived, v.Accepted, v.More = seals(h.Sent), seals(h.Arrived), seals(h.Accepted), h.More
	v.Deaf = slices.ContainsFunc(h.Deaf, func(d kernel.Deaf) bool { return d.What != kernel.HearsCounters && d.What != kernel.HearsErrors })
}

func seals(list []kernel.Packet) []Seal {
	out := []Seal{}
	for _, p := range list {
		s := Seal{From: p.From, To: p.To, Key: keyText(p.Key), Inner: p.InnerFrom, For: p.InnerTo}
		if !slices.Contains(out, s) && len(out) < maxSeals {
			out = append(out, s)
		}
	}
	return out
}

// Place is a part of the way, seen from the near end, in the words of verify --json.
type Place string

// The places that are judged.
const (
	Here        Place = "this-host"
	OwnFirewall Place = "own-firewall"
	Way         Place = "way"
	FarFirewall Place = "far-firewall"
	FarEnd      Place = "far-end"
)

// Finding is one fact about both ends.
type Finding struct {
	ID       string // of the check: "key", "outer", "inner", "there", "to HOST", "from HOST", "answers"
	OK       bool
	Skipped  bool // nothing is known
	Proved   bool
	Place    Place // of the fault
	Summary  string
	Evidence string
	Hint     string
}

// Judge returns the findings from both views. host is the far end's name for a person.
func Judge(near, far View, host string) []Finding {
	j := judge{near: near, far: far, host: fault.Printable(host)}
	j.presence()
	if !far.Found {
		j.direction(true)
		return j.list
	}
	j.keys()
	j.outer()
	j.inner()
	j.direction(true)
	j.direction(false)
	j.answers()
	return j.list
}

// judge is the judgement while it is made.
type judge struct {
	near, far View
	host      string
	list      []Finding
	broken    bool // a setting differs, so that packets which get through are not taken
}

func (j *judge) add(f Finding) {
	j.list = append(j.list, f)
}

// presence judges whether both ends are there and up.
func (j *judge) presence() {
	f := Finding{ID: "there", OK: true, Proved: true, Summary: "both ends are up", Evidence: fmt.Sprintf("%s here, %s at %s", j.near.Name, j.far.Name, j.host)}
	there := fault.Operand(j.far.Name)
	switch {
	case !j.near.Up:
		f.OK, f.Place, f.Summary, f.Hint = false, Here, "this end is down", "bring it up: nmgre up "+fault.Operand(j.near.Name)
		f.Evidence = j.near.Name + " has no link that is up"
	case !j.far.Found:
		f.OK, f.Place, f.Summary = false, FarEnd, j.host+" has no tunnel to this host"
		f.Evidence = fmt.Sprintf("none of its tunnels lies between %s and %s", j.near.Remote, j.near.Local)
		f.Hint = "make it: nmgre pair " + fault.ShellWord(j.host) + " " + fault.Operand(j.near.Name)
	case !j.far.Up:
		f.OK, f.Place, f.Summary, f.Hint = false, FarEnd, fmt.Sprintf("the tunnel is down at %s", j.host), "on "+j.host+": nmgre up "+there
		f.Evidence = fmt.Sprintf("%s at %s has no link that is up", j.far.Name, j.host)
	}
	j.broken = !f.OK
	j.add(f)
}

// word writes a key, or its absence.
func word(key string) string {
	if key == "" {
		return "no key"
	}
	return "key " + key
}

// keys judges whether each end takes the key that the other one sends.
func (j *judge) keys() {
	f := Finding{ID: "key", OK: true, Proved: true, Summary: "each end expects the key that the other one sends",
		Evidence: fmt.Sprintf("%s to %s, %s from there", word(j.near.Output), j.host, word(j.near.Input))}
	to, from := j.near.Output == j.far.Input, j.near.Input == j.far.Output
	if to && from {
		j.add(f)
		return
	}
	j.broken = true
	f.OK, f.Place = false, FarEnd
	var said []string
	if !to {
		said = append(said, fmt.Sprintf("this end sends %s, and %s expects %s", word(j.near.Output), j.host, word(j.far.Input)))
	}
	if !from {
		said = append(said, fmt.Sprintf("%s sends %s, and this end expects %s", j.host, word(j.far.Output), word(j.near.Input)))
	}
	f.Summary, f.Evidence = "the keys differ: "+strings.Join(said, "; "), fmt.Sprintf("the links %s here and %s at %s", j.near.Name, j.far.Name, j.host)
	f.Hint = j.mendThere(keyFlags(j.near))
	j.add(f)
}

// keyFlags are edit's flags that fit the other end.
func keyFlags(near View) string {
	flag := func(name, key string) string {
		if key == "" {
			key = "none"
		}
		return "--" + name + " " + key
	}
	if near.Input == near.Output {
		return flag("key", near.Input)
	}
	return flag("input-key", near.Output) + " " + flag("output-key", near.Input)
}

// editThere is the hint that changes the far end there. pair does not change a tunnel with other
// outer addresses or of another mode, which may be somebody else's.
func (j *judge) editThere(flags string) string {
	return fmt.Sprintf("on %s: nmgre edit %s %s", j.host, fault.Operand(j.far.Name), flags)
}

// mendThere is the hint that changes the far end, there or from here.
func (j *judge) mendThere(flags string) string {
	return j.editThere(flags) + fmt.Sprintf("; or let nmgre do so from here: nmgre pair %s %s", fault.ShellWord(j.host), fault.Operand(j.near.Name))
}

// outer judges the modes and the outer addresses.
func (j *judge) outer() {
	f := Finding{ID: "outer", OK: true, Proved: true, Summary: "the outer addresses mirror each other", Evidence: fmt.Sprintf("%s %s and %s", j.near.Mode, j.near.Local, j.near.Remote)}
	same := func(a, b netip.Addr) bool { return a == b || !isHost(a) || !isHost(b) }
	switch {
	case j.near.Mode != j.far.Mode:
		f.OK, f.Summary = false, fmt.Sprintf("the modes differ: %s here, %s at %s", j.near.Mode, j.far.Mode, j.host)
		f.Hint = j.editThere("--mode " + j.near.Mode)
	case !same(j.near.Remote, j.far.Local) || !same(j.near.Local, j.far.Remote):
		f.OK, f.Summary = false, fmt.Sprintf("the outer addresses differ: %s to %s here, %s to %s at %s", j.near.Local, j.near.Remote, j.far.Local, j.far.Remote, j.host)
		f.Hint = j.editThere(fmt.Sprintf("--peer %s --local %s", j.near.Local, j.near.Remote))
		if j.near.Answered > 0 { // a router between them translates
			f.OK, f.Hint = true, ""
		}
	}
	if !f.OK {
		f.Place, j.broken = FarEnd, true
	}
	j.add(f)
}

// inner judges whether each end has the inner address that the other one takes it to have.
func (j *judge) inner() {
	f := Finding{ID: "inner", OK: true, Proved: true, Summary: "each end has the inner address that the other one asks", Evidence: fmt.Sprintf("%s here, %s at %s", prefixes(j.near.Inner), prefixes(j.far.Inner), j.host)}
	has := func(v View, a netip.Addr) bool {
		return !a.IsValid() || slices.ContainsFunc(v.Inner, func(p netip.Prefix) bool { return p.Addr() == a })
	}
	switch {
	case !has(j.far, j.near.Peer):
		f.OK, f.Place, f.Summary = false, FarEnd, fmt.Sprintf("%s does not have the inner address %s, which this end asks", j.host, j.near.Peer)
		if own, ok := towards(j.near.Inner, j.near.Peer); ok {
			f.Hint = j.mendThere(fmt.Sprintf("--address %s", netip.PrefixFrom(j.near.Peer, own.Bits())))
		}
	case !has(j.near, j.far.Peer):
		f.OK, f.Place, f.Summary = false, FarEnd, fmt.Sprintf("%s asks the inner address %s, which this end does not have", j.host, j.far.Peer)
		if len(j.near.Inner) > 0 {
			f.Hint = j.mendThere(fmt.Sprintf("--peer-address %s", j.near.Inner[0].Addr()))
		}
	}
	j.broken = j.broken || !f.OK
	j.add(f)
}

func towards(inner []netip.Prefix, peer netip.Addr) (netip.Prefix, bool) {
	at := slices.IndexFunc(inner, func(p netip.Prefix) bool { return p.Contains(peer) })
	if at < 0 {
		return netip.Prefix{}, false
	}
	return inner[at], true
}

func prefixes(list []netip.Prefix) string {
	var words []string
	for _, p := range list {
		words = append(words, p.String())
	}
	return strings.Join(words, ", ")
}

// direction judges the packets of one direction: whether they left the sender, came to the
// receiver, and got through its firewall.
func (j *judge) direction(to bool) {
	s, r, id, from, at := j.near, j.far, "to "+j.host, "this host", j.host
	ownPlace, theirPlace := OwnFirewall, FarFirewall
	if !to {
		s, r, id, from, at = j.far, j.near, "from "+j.host, j.host, "this host"
		ownPlace, theirPlace = FarFirewall, OwnFirewall
	}
	f := Finding{ID: id, Proved: !s.Deaf && !r.Deaf}
	if s.Probed == 0 {
		f.Skipped, f.Summary = true, "nothing was sent from "+from
		j.add(f)
		return
	}
	sent, arrived, accepted := j.between(s.Sent, to), j.between(r.Arrived, to), j.between(r.Accepted, to)
	f.Evidence = fmt.Sprintf("%s sent %d echo requests: %s; at %s: %s, %s", from, s.Probed, seen("left its device", sent, s.Deaf), at, seen("arrived", arrived, r.Deaf), seen("came through the firewall", accepted, r.Deaf))
	switch {
	case accepted, s.Answered > 0:
		f.OK, f.Proved, f.Summary = true, true, fmt.Sprintf("packets of %s get to %s", from, at)
	case s.Deaf || r.Deaf:
		f.Skipped, f.Summary = true, fmt.Sprintf("not known: %s could not listen", map[bool]string{true: from, false: at}[s.Deaf])
		f.Hint = "run it as root at both ends: with sudo here, and with --become there"
	case !sent:
		f.Place, f.Summary = ownPlace, fmt.Sprintf("packets do not leave %s: its own firewall, or its routes, drop them on the way out", from)
		f.Hint = fmt.Sprintf("on %s: sudo nft list ruleset, for IP protocol 47 in the hook output; let GRE to %s out", from, s.Remote)
	case !arrived:
		f.Place, f.Summary = Way, fmt.Sprintf("packets leave %s and do not come to %s: the network between them drops GRE in this direction", from, at)
		f.Hint = fmt.Sprintf("ask whoever runs the network to let IP protocol 47 (GRE) from %s to %s through", s.Local, s.Remote)
	default:
		f.Place, f.Summary = theirPlace, fmt.Sprintf("packets come to %s, and its firewall drops them", at)
		f.Hint = fmt.Sprintf("on %s: sudo nft list ruleset, for IP protocol 47 in the hook input; let GRE from %s in", at, r.Remote)
	}
	j.add(f)
}

func seen(what string, yes, deaf bool) string {
	switch {
	case yes:
		return what
	case deaf:
		return "not known whether they " + what
	}
	return "none " + what
}

// between reports whether there are packets of that direction among those that were seen: by the
// outer addresses of the end that saw them. Tunnels between the same hosts are told apart by the
// key that the sender uses.
func (j *judge) between(list []Seal, to bool) bool {
	key := j.near.Output
	if !to {
		key = j.far.Output
	}
	return slices.ContainsFunc(list, func(s Seal) bool {
		from, dest := j.near.Remote, j.near.Local
		if to {
			from, dest = dest, from
		}
		same := func(a, b netip.Addr) bool { return a == b || !isHost(b) }
		farFrom, farDest := j.far.Local, j.far.Remote
		if to {
			farFrom, farDest = farDest, farFrom
		}
		return s.Key == key && (same(s.From, from) && same(s.To, dest) || j.far.Found && same(s.From, farFrom) && same(s.To, farDest))
	})
}

// answers judges the echo requests.
func (j *judge) answers() {
	f := Finding{ID: "answers", OK: true, Proved: true, Summary: "each end answers the other one",
		Evidence: fmt.Sprintf("%d of %d answered there and received here, %d of %d answered here and received there", j.near.Answered, j.near.Probed, j.far.Answered, j.far.Probed)}
	if j.near.Answered > 0 && j.far.Answered > 0 {
		j.add(f)
		return
	}
	if j.near.Probed == 0 && j.far.Probed == 0 {
		f.OK, f.Skipped, f.Summary = false, true, "nothing was asked"
		j.add(f)
		return
	}
	f.OK, f.Summary, f.Proved = false, "the tunnel does not carry answers, and who drops them is not known", false
	through := !slices.ContainsFunc(j.list, func(f Finding) bool { return !f.OK })
	reason := slices.IndexFunc(j.list, func(f Finding) bool { return !f.OK && !f.Skipped })
	switch {
	case reason >= 0: // the first one stands
		f.Summary, f.Place, f.Proved = "the tunnel does not carry answers, for the reason above", j.list[reason].Place, j.list[reason].Proved
	case !through: // somebody could not listen
	case j.near.Answered == 0:
		f.Proved, f.Place, f.Summary = false, FarFirewall, "packets get to both ends, and "+j.host+" does not answer: its firewall drops what comes out of the tunnel"
		f.Hint = "on " + j.host + ": let ICMP from " + prefixes(j.near.Inner) + " in on " + fault.ShellWord(j.far.Name)
	default:
		f.Proved, f.Place, f.Summary = false, OwnFirewall, "packets get to both ends, and this host does not answer: its firewall drops what comes out of the tunnel"
		f.Hint = "let ICMP from " + prefixes(j.far.Inner) + " in on " + fault.ShellWord(j.near.Name)
	}
	j.add(f)
}
