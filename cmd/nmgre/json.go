package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/gre"
)

// The JSON forms are a contract: fields are added, never renamed. A GRE key is a number, and absent
// where there is no key.

// tunnelJSON is a tunnel in the output of list --json.
type tunnelJSON struct {
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
	Routes    []routeJSON `json:"routes"`
	Kept      *keptJSON   `json:"kept,omitempty"`
}

type routeJSON struct {
	Route string `json:"route"`
	Owner string `json:"owner"`
	Why   string `json:"why,omitempty"`
	State string `json:"state,omitempty"` // in route list alone: set, missing or down
}

// keptJSON is everything but the routes that nmgre keeps for a tunnel.
type keptJSON struct {
	SNAT     []string `json:"snat"`
	Forward  []string `json:"forward"`
	ClampMSS bool     `json:"clamp_mss"`
	Pin      bool     `json:"pin"`
	Warning  string   `json:"warning,omitempty"`
}

func newKeptJSON(s nmgre.Status) *keptJSON {
	k := s.Kept
	if k.Empty() && s.KeptErr == nil {
		return nil
	}
	out := &keptJSON{SNAT: texts(k.SNAT), Forward: append([]string{}, k.Forward...), ClampMSS: k.ClampMSS, Pin: k.Pin}
	if s.KeptErr != nil {
		out.Warning = s.KeptErr.Error()
	}
	return out
}

// detailJSON is the output of show --json.
type detailJSON struct {
	tunnelJSON
	Parent      string `json:"parent,omitempty"`
	TTL         uint8  `json:"ttl"` // 0 means inherit
	TOS         uint8  `json:"tos"`
	PMTUD       bool   `json:"path_mtu_discovery"`
	MTU         uint32 `json:"mtu"` // 0 means the kernel's default
	EncapLimit  uint8  `json:"encapsulation_limit,omitempty"`
	FlowLabel   uint32 `json:"flow_label,omitempty"`
	Flags       uint32 `json:"flags,omitempty"`
	PeerAddress string `json:"peer_address,omitempty"`
	// PeerAddresses are all of the far end's inner addresses, that one first.
	PeerAddresses []string   `json:"peer_addresses,omitempty"`
	Autoconnect   bool       `json:"autoconnect"`
	Unsaved       bool       `json:"unsaved"`
	File          string     `json:"file,omitempty"`
	DeviceState   string     `json:"device_state,omitempty"`
	Reason        string     `json:"reason,omitempty"`
	NotApplied    []string   `json:"not_applied,omitempty"` // settings that the device does not run with
	Link          *linkJSON  `json:"link,omitempty"`
	FarEnd        farEndJSON `json:"far_end"`
}

// linkJSON is the tunnel's link in the kernel.
type linkJSON struct {
	Index     int          `json:"index"`
	Up        bool         `json:"up"`
	MTU       int          `json:"mtu"`
	Addresses []string     `json:"addresses"`
	Counters  countersJSON `json:"counters"`
}

// farEndJSON holds commands that make the far end, by nmgre, by nmcli and by ip.
type farEndJSON struct {
	Command string   `json:"command"` // empty if there is none
	Nmcli   string   `json:"nmcli"`   // empty if there is none
	IP      []string `json:"ip"`
	Missing string   `json:"missing,omitempty"` // why there is no command
	Notes   []string `json:"notes,omitempty"`
}

func newTunnelsJSON(list []nmgre.Status) []tunnelJSON {
	out := make([]tunnelJSON, len(list))
	for i, s := range list {
		out[i] = newTunnelJSON(s)
	}
	return out
}

func newTunnelJSON(s nmgre.Status) tunnelJSON {
	t := s.Tunnel
	return tunnelJSON{
		Name: s.ID, UUID: s.UUID, Interface: t.Name, Mode: t.Mode.String(), Local: gre.OuterText(t.Local), Remote: t.Remote.String(),
		InputKey: t.InputKey, OutputKey: t.OutputKey, Addresses: texts(t.Addresses), State: string(s.State), Routes: newRoutesJSON(s), Kept: newKeptJSON(s),
	}
}

// newRoutesJSON lists the profile's routes, then those that nmgre keeps.
func newRoutesJSON(s nmgre.Status) []routeJSON {
	out := make([]routeJSON, 0, len(s.Tunnel.Routes)+len(s.Kept.Routes))
	for _, r := range s.Tunnel.Routes {
		_, why := nm.RouteOwner(r, nm.MinVersion)
		out = append(out, routeJSON{Route: r.String(), Owner: string(nm.OwnerProfile), Why: why})
	}
	for _, r := range s.Kept.Routes {
		out = append(out, routeJSON{Route: r.String(), Owner: string(nm.OwnerKernel), Why: nm.WhyKernel(r, nm.MinVersion)})
	}
	return out
}

func newDetailJSON(s nmgre.Status, far nm.FarEnd) detailJSON {
	t := s.Tunnel
	d := detailJSON{
		tunnelJSON: newTunnelJSON(s), Parent: t.Parent, TTL: t.TTL, TOS: t.TOS, PMTUD: !t.NoPMTUD, MTU: t.MTU, EncapLimit: t.EncapLimit,
		FlowLabel: t.FlowLabel, Flags: uint32(t.Flags), Autoconnect: t.Autoconnect, Unsaved: s.Unsaved, File: s.Path,
		DeviceState: s.DeviceState, Reason: s.Reason, NotApplied: s.Pending.Settings, FarEnd: newFarEndJSON(far),
	}
	if t.PeerAddress.IsValid() {
		d.PeerAddress, d.PeerAddresses = t.PeerAddress.String(), texts(t.Peers())
	}
	if l := s.Link; l != nil {
		d.Link = &linkJSON{Index: l.Index, Up: l.Up, MTU: l.MTU, Addresses: texts(l.Addresses), Counters: newCountersJSON(l.Counters)}
	}
	return d
}

// newFarEndJSON writes the far end's commands. Those for nmcli and ip need a name for the
// interface.
func newFarEndJSON(far nm.FarEnd) farEndJSON {
	command := far.CreateCommand()
	far.Name = nm.FreeName(nil)
	return farEndJSON{Command: command, Nmcli: far.NmcliAdd(), IP: append([]string{}, far.IPCommands()...), Missing: far.Missing, Notes: far.Notes}
}

// createdJSON is the output of create --json.
type createdJSON struct {
	Tunnel detailJSON    `json:"tunnel"`
	Verify verify.Report `json:"verify"`
}

// planJSON is the output of create --dry-run --json.
type planJSON struct {
	Tunnel detailJSON  `json:"tunnel"`
	Steps  []stepJSON  `json:"steps"`
	Routes []routeJSON `json:"routes"`
	Notes  []string    `json:"notes"`
	IP     []string    `json:"ip"`
}

type stepJSON struct {
	ID       string   `json:"id"`
	What     string   `json:"what"`
	Why      string   `json:"why"`
	Commands []string `json:"commands"`
}

func newPlanJSON(p plan.Plan, far nm.FarEnd) planJSON {
	status := nmgre.Status{Profile: nm.Profile{ID: p.Tunnel.Name, Tunnel: p.Tunnel, State: nm.StateInactive}}
	out := planJSON{Tunnel: newDetailJSON(status, far), Notes: append([]string{}, p.Notes...), IP: p.Tunnel.IPCommands(), Routes: newOwnedJSON(p.Routes)}
	out.Tunnel.Routes = out.Routes
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, stepJSON{s.ID, s.What, s.Why, append([]string{}, s.Commands...)})
	}
	return out
}

// printJSON writes v as one indented document.
func (a *app) printJSON(v any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := a.stdout.Write(escapeUnprintable(b.Bytes()))
	return err
}

// escapeUnprintable writes as \u sequences those characters that a terminal acts on but the encoder
// leaves alone, such as the C1 controls and the marks that turn the direction of text. Such
// characters are in strings only, so the document keeps its meaning.
func escapeUnprintable(document []byte) []byte {
	out := make([]byte, 0, len(document))
	for _, r := range string(document) {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, "\\u%04x\\u%04x", high, low)
		default:
			out = fmt.Appendf(out, "\\u%04x", r)
		}
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
