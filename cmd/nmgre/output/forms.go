package output

import (
	"fmt"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/nmcli"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// The JSON forms are a contract: fields are added, never renamed. A GRE key is a number, and absent
// where there is no key.

// tunnelForm is a tunnel in the output of list --json.
type tunnelForm struct {
	Name      string      `json:"name"`
	UUID      string      `json:"uuid,omitempty"` // a plan has none
	Interface string      `json:"interface"`
	Mode      string      `json:"mode"`
	Local     string      `json:"local"`
	Remote    string      `json:"remote"`
	InputKey  *gre.Key    `json:"input_key,omitempty"`
	OutputKey *gre.Key    `json:"output_key,omitempty"`
	Addresses []string    `json:"addresses"`
	State     string      `json:"state"`
	Routes    []routeForm `json:"routes"`
	Rules     []ruleForm  `json:"rules"`
	Kept      *keptForm   `json:"kept,omitempty"`
	PeerName  string      `json:"peer_name,omitempty"` // the name that the remote was found by
	Follow    bool        `json:"follow,omitempty"`    // nmgre follow looks it up again
	Zone      string      `json:"zone,omitempty"`      // of firewalld
	NoProbe   bool        `json:"no_probe,omitempty"`  // the far end is never probed

	Controller string `json:"controller,omitempty"` // the bridge whose port the tunnel is
}

type routeForm struct {
	Route string `json:"route"`
	Owner string `json:"owner"`
	Why   string `json:"why,omitempty"`
	State string `json:"state,omitempty"` // in route list alone: set, missing or down
}

// keptForm is everything but the routes that nmgre keeps for a tunnel.
type keptForm struct {
	SNAT     []string `json:"snat"`
	Forward  []string `json:"forward"`
	ClampMSS bool     `json:"clamp_mss"`
	Pin      bool     `json:"pin"`
	Link     []string `json:"link,omitempty"` // options of the link, named as their flags
	Warning  string   `json:"warning,omitempty"`
}

func newKept(s nmgre.Status) *keptForm {
	k := s.Kept
	if k.Empty() && s.KeptErr == nil {
		return nil
	}
	out := &keptForm{SNAT: texts(k.SNAT), Forward: append([]string{}, k.Forward...), ClampMSS: k.ClampMSS, Pin: k.Pin, Link: k.Link.Names()}
	if s.KeptErr != nil {
		out.Warning = s.KeptErr.Error()
	}
	return out
}

// detailForm is the output of show --json.
type detailForm struct {
	tunnelForm
	Parent      string `json:"parent,omitempty"`
	TTL         uint8  `json:"ttl"` // 0 means inherit
	TOS         uint8  `json:"tos"`
	PMTUD       bool   `json:"path_mtu_discovery"`
	MTU         uint32 `json:"mtu"` // 0 means the kernel's default
	MAC         string `json:"mac,omitempty"`
	EncapLimit  uint8  `json:"encapsulation_limit,omitempty"`
	FlowLabel   uint32 `json:"flow_label,omitempty"`
	Flags       uint32 `json:"flags,omitempty"`
	PeerAddress string `json:"peer_address,omitempty"`
	// PeerAddresses are all of the far end's inner addresses, that one first.
	PeerAddresses []string `json:"peer_addresses,omitempty"`
	Autoconnect   bool     `json:"autoconnect"`
	Unsaved       bool     `json:"unsaved"`
	File          string   `json:"file,omitempty"`
	DeviceState   string   `json:"device_state,omitempty"`
	Reason        string   `json:"reason,omitempty"`
	// settings that the device does not run with
	NotApplied []string   `json:"not_applied,omitempty"`
	Link       *linkForm  `json:"link,omitempty"`
	FarEnd     farEndForm `json:"far_end"`
}

// linkForm is the tunnel's link in the kernel.
type linkForm struct {
	Index     int         `json:"index"`
	Up        bool        `json:"up"`
	MTU       int         `json:"mtu"`
	Port      string      `json:"port,omitempty"`    // the state of the bridge's port
	Options   []string    `json:"options,omitempty"` // those that NetworkManager cannot hold
	Addresses []string    `json:"addresses"`
	Counters  counterForm `json:"counters"`
}

// farEndForm holds commands that make the far end, by nmgre, by nmcli and by ip.
type farEndForm struct {
	Command string   `json:"command"` // empty if there is none
	Nmcli   string   `json:"nmcli"`   // empty if there is none
	IP      []string `json:"ip"`
	Missing string   `json:"missing,omitempty"` // why there is no command
	Notes   []string `json:"notes,omitempty"`
}

func newTunnels(list []nmgre.Status) []tunnelForm {
	out := make([]tunnelForm, len(list))
	for i, s := range list {
		out[i] = newTunnel(s)
	}
	return out
}

func newTunnel(s nmgre.Status) tunnelForm {
	t := s.Tunnel
	return tunnelForm{
		Name: s.ID, UUID: s.UUID, Interface: t.Name, Mode: t.Mode.String(), Local: gre.OuterText(t.Local), Remote: t.Remote.String(),
		InputKey: t.InputKey, OutputKey: t.OutputKey, Addresses: texts(t.Addresses), State: string(s.State), Routes: newRoutes(s), Rules: newRules(s), Kept: newKept(s),
		PeerName: t.PeerName, Follow: t.Follow, Zone: t.Zone, NoProbe: t.NoProbe, Controller: t.Controller,
	}
}

// newRoutes lists the profile's routes, then those that nmgre keeps.
func newRoutes(s nmgre.Status) []routeForm {
	out := make([]routeForm, 0, len(s.Tunnel.Routes)+len(s.Kept.Routes))
	for _, r := range s.Tunnel.Routes {
		out = append(out, routeForm{Route: r.String(), Owner: string(nm.OwnerProfile), Why: nm.WhyProfile(r, s.Tunnel.Name)})
	}
	for _, r := range s.Kept.Routes {
		out = append(out, routeForm{Route: r.String(), Owner: string(nm.OwnerKernel), Why: nm.WhyKernel(r, nm.MinVersion)})
	}
	return out
}

func newDetail(s nmgre.Status, far nm.FarEnd) detailForm {
	t := s.Tunnel
	d := detailForm{
		tunnelForm: newTunnel(s), Parent: t.Parent, TTL: t.TTL, TOS: t.TOS, PMTUD: !t.NoPMTUD, MTU: t.MTU, MAC: t.MAC, EncapLimit: t.EncapLimit,
		FlowLabel: t.FlowLabel, Flags: uint32(t.Flags), Autoconnect: t.Autoconnect, Unsaved: s.Unsaved, File: s.Path,
		DeviceState: s.DeviceState, Reason: s.Reason, NotApplied: s.Pending.Settings, FarEnd: newFarEnd(far),
	}
	if t.PeerAddress.IsValid() {
		d.PeerAddress, d.PeerAddresses = t.PeerAddress.String(), texts(t.Peers())
	}
	if l := s.Link; l != nil {
		d.Link = &linkForm{Index: l.Index, Up: l.Up, MTU: l.MTU, Options: l.Options().Names(), Addresses: texts(l.Addresses), Counters: newCounters(l.Counters)}
		if l.Port != kernel.PortNone {
			d.Link.Port = l.Port.String()
		}
	}
	return d
}

// newFarEnd writes the far end's commands. Those for nmcli and ip need a name for the interface.
func newFarEnd(far nm.FarEnd) farEndForm {
	command := far.CreateCommand()
	far.Name = nm.FreeName(nil)
	return farEndForm{Command: command, Nmcli: nmcli.AddFar(far), IP: append([]string{}, far.IPCommands()...), Missing: far.Missing, Notes: far.Notes}
}

// createdForm is the output of create --json.
type createdForm struct {
	Tunnel detailForm    `json:"tunnel"`
	Verify verify.Report `json:"verify"`
}

// planForm is the output of create --dry-run --json.
type planForm struct {
	Tunnel detailForm  `json:"tunnel"`
	Steps  []stepForm  `json:"steps"`
	Routes []routeForm `json:"routes"`
	Rules  []ruleForm  `json:"rules"`
	Notes  []string    `json:"notes"`
	IP     []string    `json:"ip"`
}

type stepForm struct {
	ID       string   `json:"id"`
	What     string   `json:"what"`
	Why      string   `json:"why"`
	Commands []string `json:"commands"`
}

func newPlan(p plan.Plan, far nm.FarEnd) planForm {
	status := nmgre.Status{Profile: nm.Profile{ID: p.Tunnel.Name, Tunnel: p.Tunnel, State: nm.StateInactive}}
	out := planForm{Tunnel: newDetail(status, far), Notes: append([]string{}, p.Notes...), IP: p.Tunnel.IPCommands(), Routes: newOwned(p.Routes), Rules: newOwnedRules(p.Rules)}
	out.Tunnel.Routes, out.Tunnel.Rules = out.Routes, out.Rules
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, stepForm{s.ID, s.What, s.Why, append([]string{}, s.Commands...)})
	}
	return out
}

// changedForm is the output of a change of routes with --json.
type changedForm struct {
	Tunnel    string      `json:"tunnel"`
	Added     int         `json:"added"`
	Replaced  int         `json:"replaced"`
	Removed   int         `json:"removed"`
	Deleted   int         `json:"deleted"` // the same as removed, by the command's word
	Unchanged int         `json:"unchanged"`
	Routes    []routeForm `json:"routes"`
	Notes     []string    `json:"notes"`
}

func newOwned(list []nm.Owned) []routeForm {
	out := make([]routeForm, len(list))
	for i, o := range list {
		out[i] = routeForm{Route: o.Route.String(), Owner: string(o.Owner), Why: o.Why}
	}
	return out
}

func texts[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return out
}
