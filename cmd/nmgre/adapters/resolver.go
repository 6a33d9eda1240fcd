package adapters

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// Resolver looks names up as this host is configured: /etc/hosts, and the name servers of
// /etc/resolv.conf. It implements [nm.Resolver].
type Resolver struct{}

// Resolve implements [nm.Resolver].
func (Resolver) Resolve(ctx context.Context, name string, v6 bool) ([]netip.Addr, error) {
	network := "ip4"
	if v6 {
		network = "ip6"
	}
	list, err := net.DefaultResolver.LookupNetIP(ctx, network, name)
	var noAddress *net.AddrError
	var failed *net.DNSError
	switch {
	case errors.As(err, &noAddress): // it has addresses of the other family only
		return nil, nil
	case errors.As(err, &failed) && failed.IsNotFound:
		return nil, nil
	}
	return list, err
}

// Own returns the addresses of this host, as far as they can be read.
func Own() []netip.Addr {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil // the plan refuses them later
	}
	var own []netip.Addr
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr().Unmap())
		}
	}
	return own
}
