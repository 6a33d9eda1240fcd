package fleet

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// shareTo gives each address behind the far ends to the tunnel that leads there.
func (r *run) shareTo(ctx context.Context) error {
	for _, to := range r.opts.To {
		i, err := r.leading(ctx, to)
		if err != nil {
			return err
		}
		if i < 0 {
			return fault.Invalid("to", "see where packets to it go: ip route get "+to.String()+"; or verify one tunnel, by its NAME", "no tunnel that is verified leads to %s", fault.Printable(to.String()))
		}
		r.to[i] = append(r.to[i], to)
		if err := (verify.Options{To: r.to[i]}).Check(r.tunnels[i].Tunnel); err != nil {
			return err
		}
	}
	return nil
}

// leading returns the index of the tunnel that leads to the address, and -1 if none does: the one
// that its packets go into, or the one whose route should take them, whose checks say why it does
// not.
func (r *run) leading(ctx context.Context, to netip.Addr) (int, error) {
	hop, err := r.shared.Kernel.Lookup(ctx, kernel.Query{To: to})
	if err != nil && !errors.Is(err, fault.ErrUnreachable) {
		return -1, err
	}
	awake := func(p nm.Profile) bool { return resting(p, r.tunnels).Summary == "" }
	into := func(p nm.Profile) bool { return err == nil && p.Tunnel.Name == hop.Dev && awake(p) }
	if i := slices.IndexFunc(r.tunnels, into); i >= 0 {
		return i, nil
	}
	best, bits := -1, -1
	for i, p := range r.tunnels {
		if n := r.routeBits(ctx, p, to); n > bits && awake(p) {
			best, bits = i, n
		}
	}
	return best, nil
}

// routeBits is the length of the tunnel's most specific route to the address, and -1 if it has
// none. A file of root's that cannot be read has a check of its own.
func (r *run) routeBits(ctx context.Context, p nm.Profile, to netip.Addr) int {
	kept, _ := keep.Of(ctx, r.shared.Store, p.UUID)
	bits := -1
	for _, list := range [][]routes.Route{p.Tunnel.Routes, kept.Routes} {
		for i := range list {
			if dst := list[i].Dst; dst.Contains(to) {
				bits = max(bits, dst.Bits())
			}
		}
	}
	return bits
}
