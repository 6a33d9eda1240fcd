package netlink

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// Lookup asks the kernel where it would send a packet, by all its tables, rules and cached path
// MTUs (RTM_GETROUTE, as `ip route get`). For an address of this host the answer is the loopback
// device. Hop.Match is not valid when no route decided, as for a packet that is bound to a device
// without a route for it. If q.Dev is empty, the zone of an IPv6 link-local q.To names the device.
//
// It asks twice: the kernel's answer with RTM_F_FIB_MATCH has the route without a cached path MTU.
//
// It fails with ErrUnreachable, and the kernel's word for it, when the packet would go nowhere:
// there is no route, or its type is unreachable, prohibit, blackhole or throw. It fails with
// ErrInvalid when q.Dev does not exist or q.From is not on this host.
func (k *Kernel) Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error) {
	what := "look up the route to " + fault.Printable(q.To.String())
	w, err := k.lookup(ctx, q, 0)
	if err != nil {
		return kernel.Hop{}, k.explainLookup(ctx, what, q, err)
	}
	if w.Type != unix.RTN_UNICAST && w.Type != unix.RTN_LOCAL {
		return kernel.Hop{}, unreachable(what, kernelError{words: kindWord(w.Type)})
	}
	link, err := k.linkByIndex(ctx, w.Device)
	if err != nil {
		return kernel.Hop{}, wrap(what, err)
	}
	hop := kernel.Hop{Dev: link.Name, Via: w.Via, Src: w.PrefSrc, MTU: int(w.MTU()), RouteMTU: link.MTU}
	if route, err := k.lookup(ctx, q, matchFlags(q)); err == nil {
		hop.Match, hop.Table = route.Dst, route.Table
		if mtu := int(route.MTU()); mtu > 0 {
			hop.RouteMTU = mtu
		}
	}
	if q.From.IsValid() { // the kernel does not repeat it
		hop.Src = q.From.WithZone("")
	}
	if hop.MTU == 0 {
		hop.MTU = link.MTU
	}
	return hop, nil
}

// matchFlags ask for the route that decides, with its table. IPv6 always names the table, and takes
// no flag for it.
func matchFlags(q kernel.Query) uint32 {
	if q.To.Is6() {
		return unix.RTM_F_FIB_MATCH
	}
	return unix.RTM_F_FIB_MATCH | unix.RTM_F_LOOKUP_TABLE
}

// lookup sends the query with flags (RTM_F_...) and returns the kernel's answer as it is.
func (k *Kernel) lookup(ctx context.Context, q kernel.Query, flags uint32) (wire.Route, error) {
	if !q.To.IsValid() || q.From.IsValid() && wire.FamilyOf(q.From) != wire.FamilyOf(q.To) {
		return wire.Route{}, fault.Invalid("", "", "a lookup needs a destination, and a source of the same address family")
	}
	to := q.To.WithZone("")
	ask := wire.Route{Family: wire.FamilyOf(to), Dst: netip.PrefixFrom(to, to.BitLen()), Flags: flags}
	if from := q.From.WithZone(""); from.IsValid() {
		ask.From = netip.PrefixFrom(from, from.BitLen())
	}
	body := ask.Encode
	if q.In != "" {
		link, err := k.linkByName(ctx, q.In)
		if err != nil {
			return wire.Route{}, err
		}
		body = func() []byte { return wire.AppendUint32(ask.Encode(), unix.RTA_IIF, uint32(link.Index)) } //nolint:gosec // the kernel's index
	}
	if dev := deviceOf(q); dev != "" {
		link, err := k.linkByName(ctx, dev)
		if err != nil {
			return wire.Route{}, err
		}
		ask.Device = link.Index
	}
	var answer wire.Route
	r := request{kind: unix.RTM_GETROUTE, reply: unix.RTM_NEWROUTE, body: body()}
	err := k.exchange(ctx, r, func(body []byte) (err error) {
		answer, err = wire.ParseRoute(body)
		return err
	})
	if err == nil && answer.Type == unix.RTN_UNSPEC {
		err = fmt.Errorf("%w: no route in the answer", wire.ErrMalformed)
	}
	return answer, err
}

func deviceOf(q kernel.Query) string {
	if q.Dev == "" {
		return q.To.Zone()
	}
	return q.Dev
}

// lookupWords are the errnos for a packet that would go nowhere, with the word for each.
var lookupWords = map[unix.Errno]string{
	unix.ENETUNREACH:  "network is unreachable",
	unix.EHOSTUNREACH: kindWord(unix.RTN_UNREACHABLE),
	unix.EACCES:       kindWord(unix.RTN_PROHIBIT),
	unix.EINVAL:       kindWord(unix.RTN_BLACKHOLE),
	unix.EAGAIN:       kindWord(unix.RTN_THROW),
	unix.ENETDOWN:     "the device is down",
}

// kindWord returns iproute2's word for a type of route that takes no packets further.
func kindWord(kind uint8) string {
	switch kind {
	case unix.RTN_UNREACHABLE:
		return "unreachable"
	case unix.RTN_PROHIBIT:
		return "prohibit"
	case unix.RTN_BLACKHOLE:
		return "blackhole"
	case unix.RTN_THROW:
		return "throw"
	case unix.RTN_BROADCAST, unix.RTN_ANYCAST, unix.RTN_MULTICAST:
		return "not a unicast address"
	}
	return fmt.Sprintf("a route of type %d", kind)
}

// explainLookup gives the kernel's answer to a lookup its kind of error.
func (k *Kernel) explainLookup(ctx context.Context, what string, q kernel.Query, err error) error {
	var domain *fault.Error
	answer, ok := kernelAnswer(err)
	if !ok || errors.As(err, &domain) { // a *fault.Error is already explained
		return wrap(what, err)
	}
	word, ok := lookupWords[answer.errno]
	if !ok {
		return wrap(what, answer)
	}
	if q.In == "" && q.From.IsValid() && !k.isLocal(ctx, q.From) {
		// For a source that is not this host's, IPv4 answers as if there were no route, or with
		// EINVAL.
		from := fault.Printable(q.From.String())
		return &fault.Error{Kind: fault.ErrInvalid, What: what, Hint: "`ip address` lists the addresses of this host",
			Err: fmt.Errorf("the source address %s is not on this host", from)}
	}
	if answer.words == answer.errno.Error() { // the kernel gave no words of its own
		answer.words = word
	}
	return unreachable(what, answer)
}

func unreachable(what string, answer kernelError) error {
	return &fault.Error{Kind: fault.ErrUnreachable, What: what, Err: answer,
		Hint: "`ip route get` asks the kernel the same; add a route, or check that the device it needs is up"}
}

// isLocal reports whether a is an address of this host to the kernel.
func (k *Kernel) isLocal(ctx context.Context, a netip.Addr) bool {
	w, err := k.lookup(ctx, kernel.Query{To: a}, 0)
	return err == nil && w.Type == unix.RTN_LOCAL
}
