package routes

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre"
)

// Lookup asks the kernel where it would send a packet, with all its tables, rules and cached path MTUs. For an address of this host the
// answer is the loopback device. Hop.Match is not valid when no route decided, as for a packet bound to a device that has none for it.
//
// It fails with ErrUnreachable, and the kernel's word for it, when the packet would go nowhere: no route, or one of type
// unreachable, prohibit, blackhole or throw. It fails with ErrInvalid when q.Dev does not exist or q.From is not on this host. The
// zone of an IPv6 link-local q.To names the device when q.Dev does not.
func (k *Kernel) Lookup(ctx context.Context, q nmgre.Query) (nmgre.Hop, error) {
	what := "look up the route to " + nmgre.Printable(q.To.String())
	w, err := k.lookup(ctx, q, 0)
	if err != nil {
		return nmgre.Hop{}, k.explainLookup(ctx, what, q, err)
	}
	if w.kind != unix.RTN_UNICAST && w.kind != unix.RTN_LOCAL {
		return nmgre.Hop{}, unreachable(what, kernelError{words: kindWord(w.kind)})
	}
	link, err := k.linkByIndex(ctx, w.device)
	if err != nil {
		return nmgre.Hop{}, wrap(what, err)
	}
	hop := nmgre.Hop{Dev: link.Name, Via: w.via, Src: w.prefSrc, Match: k.match(ctx, q), MTU: int(w.metrics.mtu)}
	if q.From.IsValid() { // the kernel does not repeat it
		hop.Src = q.From.WithZone("")
	}
	if hop.MTU == 0 {
		hop.MTU = link.MTU
	}
	return hop, nil
}

// match returns the destination of the route that decides about a packet. The answer with the route has no cached path MTU, so this
// is a question of its own. It is not valid when no route decides, as for a packet that is bound to a device without one.
func (k *Kernel) match(ctx context.Context, q nmgre.Query) netip.Prefix {
	w, err := k.lookup(ctx, q, unix.RTM_F_FIB_MATCH)
	if err != nil {
		return netip.Prefix{}
	}
	return w.dst
}

// lookup sends the question with flags (RTM_F_...) and returns the kernel's answer as it is.
func (k *Kernel) lookup(ctx context.Context, q nmgre.Query, flags uint32) (wireRoute, error) {
	if !q.To.IsValid() || q.From.IsValid() && familyOf(q.From) != familyOf(q.To) {
		return wireRoute{}, invalid("a lookup needs a destination, and a source of the same address family")
	}
	to := q.To.WithZone("")
	ask := wireRoute{family: familyOf(to), dst: netip.PrefixFrom(to, to.BitLen()), flags: flags}
	if from := q.From.WithZone(""); from.IsValid() {
		ask.from = netip.PrefixFrom(from, from.BitLen())
	}
	if dev := deviceOf(q); dev != "" {
		link, err := k.linkByName(ctx, dev)
		if err != nil {
			return wireRoute{}, err
		}
		ask.device = link.Index
	}
	var answer wireRoute
	r := request{kind: unix.RTM_GETROUTE, reply: unix.RTM_NEWROUTE, body: ask.encode()}
	err := k.exchange(ctx, r, func(body []byte) (err error) {
		answer, err = parseRoute(body)
		return err
	})
	if err == nil && answer.kind == unix.RTN_UNSPEC {
		err = fmt.Errorf("%w: no route in the answer", errMalformed)
	}
	return answer, err
}

func deviceOf(q nmgre.Query) string {
	if q.Dev == "" {
		return q.To.Zone()
	}
	return q.Dev
}

// lookupWords are the errnos by which the kernel says that a packet would go nowhere.
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

// explainLookup turns the kernel's answer to a lookup into the domain's kinds.
func (k *Kernel) explainLookup(ctx context.Context, what string, q nmgre.Query, err error) error {
	var domain *nmgre.Error
	answer, ok := kernelAnswer(err)
	if !ok || errors.As(err, &domain) { // the latter is explained already
		return wrap(what, err)
	}
	word, ok := lookupWords[answer.errno]
	if !ok {
		return wrap(what, answer)
	}
	if q.From.IsValid() && !k.isLocal(ctx, q.From) {
		// To a source that is not its own, IPv4 answers as if there were no route, or with an EINVAL.
		from := nmgre.Printable(q.From.String())
		return &nmgre.Error{Kind: nmgre.ErrInvalid, What: what, Hint: "`ip address` lists the addresses of this host",
			Err: fmt.Errorf("the source address %s is not on this host", from)}
	}
	if answer.words == answer.errno.Error() { // the kernel said no more than the errno
		answer.words = word
	}
	return unreachable(what, answer)
}

func unreachable(what string, answer kernelError) error {
	return &nmgre.Error{Kind: nmgre.ErrUnreachable, What: what, Err: answer,
		Hint: "`ip route get` asks the kernel the same; add a route, or check that the device it needs is up"}
}

// isLocal says whether the kernel takes packets to a for its own.
func (k *Kernel) isLocal(ctx context.Context, a netip.Addr) bool {
	w, err := k.lookup(ctx, nmgre.Query{To: a}, 0)
	return err == nil && w.kind == unix.RTN_LOCAL
}
