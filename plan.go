package nmgre

import (
	"fmt"
	"strings"
)

// Plan is everything that [Host.Create] will do, decided before anything is done.
type Plan struct {
	Tunnel Tunnel  // with everything decided: name, local address, MTU, the far end's inner address and the route to it
	Routes []Owned // the tunnel's routes, with who holds each, and why
	Kept   Kept    // what root keeps, but for the UUID; empty if NetworkManager can hold everything
	Steps  []Step
	Notes  []string // what the person should know before, such as what was chosen and why

	version Version // NetworkManager's
	newest  uint64  // the highest Serial of the profiles that were looked at
}

// profile is the tunnel as its profile holds it.
func (p Plan) profile() Tunnel {
	t := p.Tunnel.Clone()
	t.Routes = OwnedBy(p.Routes, OwnerProfile)
	t.Forward = t.Forward && !p.version.less(forwardVersion)
	return t
}

// Step is one thing that is done. The IDs are stable.
type Step struct {
	ID       string
	What     string   // in a few words, such as "add the profile gre1, in memory"
	Why      string   // why it is done, and by whom
	Commands []string // what a person would type for it, by nmcli and ip; empty if there is no such command
}

// The steps of making a tunnel, in their order.
const (
	StepProfile  = "profile"
	StepActivate = "activate"
	StepPin      = "pin"
	StepRoute    = "route"
	StepForward  = "forward"
	StepSNAT     = "snat"
	StepClamp    = "clamp-mss"
	StepCheck    = "check"
	StepSave     = "save"
)

// steps lists what making the tunnel takes.
func (p Plan) steps() []Step {
	t := p.profile()
	steps := []Step{
		{ID: StepProfile, What: "add the profile " + t.Name + ", in memory only",
			Why:      "what is not finished shall not survive: it goes to disk when all the rest is done",
			Commands: []string{t.NmcliAdd()}},
		{ID: StepActivate, What: "bring it up, and wait until its addresses are set",
			Why:      "NetworkManager makes the link, with its addresses and " + countRoutes(len(t.Routes)),
			Commands: []string{"nmcli connection up " + shellQuote(t.Name)}},
	}
	steps = append(steps, p.keptSteps()...)
	return append(steps,
		Step{ID: StepCheck, What: "read back what the kernel holds, and probe the far end",
			Why: "a GRE link that is up proves nothing", Commands: checkCommands(p.Tunnel)},
		Step{ID: StepSave, What: "write the profile to disk",
			Why: "from here on the tunnel is there, also after a reboot"})
}

// maxRouteSteps is how many routes of the kernel half are told one by one.
const maxRouteSteps = 20

// keptSteps are the steps of the kernel half.
func (p Plan) keptSteps() []Step {
	var steps []Step
	k := p.Kept
	if k.Pin {
		steps = append(steps, Step{ID: StepPin, What: fmt.Sprintf("give the far end %s a host route by the present gateway", k.Remote),
			Why: "a route of the tunnel covers it: the tunnel's own packets would go into the tunnel"})
	}
	if len(k.Routes) > maxRouteSteps {
		steps = append(steps, Step{ID: StepRoute, What: fmt.Sprintf("add %s to the kernel", countRoutes(len(k.Routes))), Why: p.whyKernel()})
	} else {
		for _, o := range p.Routes {
			if o.Owner == OwnerKernel {
				steps = append(steps, Step{ID: StepRoute, What: "add the route " + o.Route.String() + " to the kernel", Why: o.Why,
					Commands: []string{o.Route.IPRouteAdd(k.Name)}})
			}
		}
	}
	return append(steps, k.forwardSteps()...)
}

// whyKernel is the reason of the first of the kernel half's routes.
func (p Plan) whyKernel() string {
	for _, o := range p.Routes {
		if o.Owner == OwnerKernel {
			return o.Why
		}
	}
	return ""
}

// forwardSteps are the steps that concern forwarded packets.
func (k Kept) forwardSteps() []Step {
	var steps []Step
	for _, dev := range k.Forward {
		steps = append(steps, Step{ID: StepForward, What: "forward packets that come in by " + dev,
			Why:      "it is switched on for the devices involved only, and switched back when the tunnel goes down",
			Commands: []string{shellJoin([]string{"sysctl", "-w", "net.ipv4.conf." + strings.ReplaceAll(dev, ".", "/") + ".forwarding=1"})}})
	}
	for _, r := range k.rules() {
		id, why := StepSNAT, "hosts there need no route back to the tunnel's inner network"
		if r.ClampMSS {
			id, why = StepClamp, "TCP connections whose packets are too big for the tunnel would stall"
		}
		steps = append(steps, Step{ID: id, What: r.summary(), Why: why, Commands: r.nft()})
	}
	return steps
}

// summary says in a few words what the rule does.
func (r Rule) summary() string {
	if r.ClampMSS {
		return "lower the MSS of TCP connections through " + r.Dev + " to what fits"
	}
	if !r.SNAT.Source.IsValid() {
		return fmt.Sprintf("give packets from %s to %s the address of the device they leave by", r.Inner, r.SNAT.Dst)
	}
	return fmt.Sprintf("give packets from %s to %s the source %s", r.Inner, r.SNAT.Dst, r.SNAT.Source)
}

// nft returns the commands that make the same rule.
func (r Rule) nft() []string {
	if r.ClampMSS {
		chain := "'add chain inet nmgre forward { type filter hook forward priority mangle; }'"
		rule := func(match string) string {
			return shellJoin([]string{"nft", "add rule inet nmgre forward " + match + " " + r.Dev + " tcp flags & (syn|rst) == syn tcp option maxseg size set rt mtu"})
		}
		return []string{"nft add table inet nmgre", "nft " + chain, rule("oifname"), rule("iifname")}
	}
	family := "ip"
	if r.Inner.Addr().Is6() {
		family = "ip6"
	}
	to := "masquerade"
	if r.SNAT.Source.IsValid() {
		to = "snat to " + r.SNAT.Source.String()
	}
	return []string{"nft add table " + family + " nmgre",
		"nft 'add chain " + family + " nmgre postrouting { type nat hook postrouting priority srcnat; }'",
		shellJoin([]string{"nft", fmt.Sprintf("add rule %s nmgre postrouting %s saddr %s %s daddr %s oifname != %s %s", family, family, r.Inner, family, r.SNAT.Dst, r.Dev, to)})}
}

// summary says in a few words what is kept.
func (k Kept) summary() string {
	var parts []string
	if n := len(k.Routes); n > 0 {
		parts = append(parts, countRoutes(n))
	}
	if k.Pin {
		parts = append(parts, "the route to the far end")
	}
	if len(k.SNAT) > 0 {
		parts = append(parts, "SNAT")
	}
	if len(k.Forward) > 0 {
		parts = append(parts, "forwarding")
	}
	if k.ClampMSS {
		parts = append(parts, "the MSS clamp")
	}
	return strings.Join(parts, ", ")
}

// maxCheckCommands bounds how many routes are asked for by hand.
const maxCheckCommands = 20

func checkCommands(t Tunnel) []string {
	commands := []string{"ip -d link show dev " + t.Name}
	for i, r := range t.Routes {
		if r.TableOrMain() == MainTable && i < maxCheckCommands {
			commands = append(commands, "ip route get "+sampleAddr(r.Dst, t.Remote).String())
		}
	}
	if t.PeerAddress.IsValid() {
		commands = append(commands, "ping -c 3 -I "+t.Name+" "+t.PeerAddress.String())
	}
	return commands
}
