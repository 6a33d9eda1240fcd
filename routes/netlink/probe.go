package netlink

import (
	"context"
	"errors"
	"fmt"

	"nmgre/routes/echo"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/ipsec"
)

// Probe sends ICMP or ICMPv6 echo requests out of p.Dev and returns the answers and refusals. An
// answer counts once, if it comes in by that device, from p.To, with this probe's own payload.
//
// It uses a raw socket, or the kernel's ping socket (see ping_group_range in icmp(7)) where a raw
// one is not permitted. With neither it fails with ErrNotPermitted. It fails with ErrInvalid if the
// count is not 1 to 10, the interval is below 10 ms, the size has no room for the headers, or the
// device or p.From is not there, and with ErrUnreachable if this host has no way to send. A far end
// that is silent or refuses is no error. The end of ctx ends the probe at once. After it, and after
// a failure, the result holds the answers up to then.
//
// With p.UDP it sends datagrams, which nobody needs privileges for.
//
// Refusals name their sender. That may be this host: its kernel sends one for a tunnel whose
// packets came back.
func (k *Kernel) Probe(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error) {
	what := fmt.Sprintf("probe %s by %s", fault.Printable(p.To.String()), fault.Printable(p.Dev))
	if err := echo.Check(p); err != nil {
		return kernel.ProbeResult{}, wrap(what, err)
	}
	link, err := k.linkByName(ctx, p.Dev)
	if err != nil {
		return kernel.ProbeResult{}, wrap(what, err)
	}
	result, err := echo.Run(ctx, p, link)
	return result, wrap(what, err)
}

// IPsec returns the policies of IPsec that count for packets, in the namespace of the thread that
// calls it.
func (k *Kernel) IPsec(ctx context.Context, between kernel.IPsecEnds) (kernel.IPsecPolicies, error) {
	policies, err := ipsec.Policies(ctx, between)
	end := policies.Out.TunnelEnd()
	if err != nil || !end.IsValid() || end == between.Remote {
		return policies, err
	}
	hop, err := k.Lookup(ctx, kernel.Query{To: end})
	if errors.Is(err, fault.ErrUnreachable) {
		return policies, nil // nothing gets through, however long it is
	}
	policies.Out.WayMTU = hop.MTU
	return policies, err
}
