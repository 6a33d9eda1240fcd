// Package resolve chooses the far end's address among those that its name stands for. An answer of
// the DNS is hostile: it is bounded, and nothing in it becomes an address that no far end can have.
//
// Begin at [Peer].
package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// Patience is how long the DNS may take for one name.
const Patience = 5 * time.Second

// maxAnswers is how many addresses of one name are looked at. A packet of the DNS has hardly more.
const maxAnswers = 64

// maxShown is how many addresses are offered. More are no choice for a person.
const maxShown = 16

// Asked is a far end that was given by its name.
type Asked struct {
	Name string
	V6   bool // its IPv6 addresses (AAAA) count, and else its IPv4 ones (A)
	// Chosen is the address that a person has chosen among several; the zero Addr for none.
	Chosen netip.Addr
	// Present is the address that the tunnel has. It stays as long as it is among the answers.
	Present netip.Addr
	Own     []netip.Addr // this host's addresses, of which none is a far end
}

// Parse reads the value of --peer: an address, NAME, or NAME=ADDRESS. It returns false for a text
// that is no name, which may be an address.
func Parse(text string) (asked Asked, isName bool, err error) {
	name, chosen, both := strings.Cut(text, "=")
	if !nm.IsHostName(name) || isWord(name) {
		return Asked{}, false, nil
	}
	asked.Name = name
	if !both {
		return asked, true, nil
	}
	if asked.Chosen, err = netip.ParseAddr(chosen); err != nil || asked.Chosen.Zone() != "" {
		return asked, true, fault.Invalid("peer", "write it as "+name+"=203.0.113.2, with one of its addresses", "\"%.80s\" is not an IP address", fault.Printable(chosen))
	}
	return asked, true, nil
}

// Peer looks the name up, and returns the address of the far end.
func Peer(ctx context.Context, r nm.Resolver, asked Asked) (netip.Addr, error) {
	answers, err := Lookup(ctx, r, asked)
	if err != nil {
		return netip.Addr{}, err
	}
	return Choose(asked, answers)
}

// Lookup returns the addresses that the name stands for and that a far end can have, sorted, each
// once. It fails with [fault.ErrInvalid] if there is none. Where the name servers fail, it fails
// without that.
func Lookup(ctx context.Context, r nm.Resolver, asked Asked) ([]netip.Addr, error) {
	if r == nil {
		return nil, fault.Invalid("peer", "give the far end's address", "names cannot be looked up here")
	}
	looking, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	answers, err := r.Resolve(looking, asked.Name, asked.V6)
	if ctx.Err() != nil {
		return nil, fault.Interrupted(ctx.Err())
	}
	if err != nil {
		return nil, unanswered(looking, asked, err)
	}
	usable, why := asked.usable(answers)
	if len(usable) == 0 {
		return nil, fault.Invalid("peer", asked.without(looking, r), "%s has no %s that a far end can have%s", asked.Name, asked.records(), why)
	}
	return usable, nil
}

// without advises about a name without an address of the kind that is asked for. It may have one of
// the other kind, for which there are other modes.
func (a Asked) without(ctx context.Context, r nm.Resolver) string {
	modes := "ip6gre or ip6gretap"
	if a.V6 {
		modes = "gre or gretap"
	}
	a.V6 = !a.V6
	answers, err := r.Resolve(ctx, a.Name, a.V6)
	if usable, _ := a.usable(answers); err == nil && len(usable) > 0 {
		return fmt.Sprintf("it has an %s: for that use --mode %s", a.records(), modes)
	}
	return "check the name, and the name servers of this host, or give the far end's address"
}

// unanswered is the error of a name that nobody could look up. Nothing is wrong with the request:
// the name may have an address.
func unanswered(looking context.Context, asked Asked, err error) error {
	failed := &fault.Error{Field: "peer", What: asked.Name + " could not be looked up: no name server of this host answered the question", Hint: "see whether they answer: getent ahosts " + asked.Name + "; or give the far end's address",
		Err: errors.New(fault.Printable(err.Error()))}
	if looking.Err() != nil {
		failed.Kind, failed.What = fault.ErrTimeout, fmt.Sprintf("%s could not be looked up within %s", asked.Name, Patience)
	}
	return failed
}

// records names the kind of address that is asked for.
func (a Asked) records() string {
	if a.V6 {
		return "IPv6 address (AAAA)"
	}
	return "IPv4 address (A)"
}

// usable returns the answers that can be a far end's address, and says of the last of the others
// why it cannot.
func (a Asked) usable(answers []netip.Addr) (usable []netip.Addr, why string) {
	for _, answer := range answers[:min(len(answers), maxAnswers)] {
		answer = answer.Unmap()
		switch text := fault.Printable(answer.String()); {
		case !answer.IsValid() || answer.Is6() != a.V6 || answer.Zone() != "":
		case answer.IsUnspecified() || answer.IsMulticast() || answer == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
			why = ": " + text + " is not the address of one host"
		case answer.IsLoopback():
			why = ": packets to " + text + " never leave this host"
		case answer.Is6() && answer.IsLinkLocalUnicast():
			why = ": " + text + " means nothing without its device"
		case slices.Contains(a.Own, answer):
			why = ": " + text + " is this host's own address"
		default:
			usable = append(usable, answer)
		}
	}
	slices.SortFunc(usable, netip.Addr.Compare)
	return slices.Compact(usable), why
}

// Choose returns the one address that is chosen, or present, or the only one. Of several it fails,
// and the hint has the flag for each.
func Choose(asked Asked, answers []netip.Addr) (netip.Addr, error) {
	switch {
	case asked.Chosen.IsValid() && !slices.Contains(answers, asked.Chosen):
		return netip.Addr{}, fault.Invalid("peer", "choose one of them: "+strings.Join(Choices(asked.Name, answers), ", or ")+"; or give the address alone, without the name",
			"%s is not among the addresses of %s: %s", asked.Chosen, asked.Name, addrTexts(answers))
	case asked.Chosen.IsValid():
		return asked.Chosen, nil
	case asked.Present.IsValid() && slices.Contains(answers, asked.Present):
		return asked.Present, nil
	case len(answers) == 1:
		return answers[0], nil
	}
	return netip.Addr{}, fault.Invalid("peer", "choose one of them: "+strings.Join(Choices(asked.Name, answers), ", or "), "%s has %d addresses, and a tunnel has one far end: %s", asked.Name, len(answers), addrTexts(answers))
}

// Choices are the flags that choose each of the addresses.
func Choices(name string, answers []netip.Addr) []string {
	var choices []string
	for _, a := range answers[:min(len(answers), maxShown)] {
		choices = append(choices, "--peer "+name+"="+a.String())
	}
	return choices
}

// addrTexts lists the addresses, but not very many of them.
func addrTexts(answers []netip.Addr) string {
	if len(answers) <= maxShown {
		return nm.AddrTexts(answers)
	}
	return fmt.Sprintf("%s and %d more", nm.AddrTexts(answers[:maxShown]), len(answers)-maxShown)
}

// Told names the address that the name was resolved to, and the consequences.
func Told(asked Asked, found netip.Addr) string {
	return fmt.Sprintf("%s is %s: NetworkManager holds the address only, and does not look the name up again; nmgre verify says when it leads elsewhere", asked.Name, found)
}
