package plan

import (
	"context"

	"nmgre/nm"
	"nmgre/nm/advice"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// protocolGRE is the IP protocol number of GRE.
const protocolGRE = 47

// readIPsec reads the IPsec policy for the packets that carry the tunnel. It goes on without one
// that cannot be read, which the notes say.
func (p *preflight) readIPsec(ctx context.Context, hop kernel.Hop) error {
	ends := kernel.IPsecEnds{Local: p.t.Local, Remote: p.t.Remote, Protocol: protocolGRE}
	if !isHost(ends.Local) {
		ends.Local = hop.Src
	}
	if !isHost(ends.Local) || !isHost(ends.Remote) {
		return nil
	}
	if out := kernel.Named(p.links, hop.Dev); out != nil {
		ends.Index = out.Index
	}
	policies, err := p.sys.Kernel.IPsec(ctx, ends)
	p.ipsec, p.ipsecErr = policies.Out, err
	return ctx.Err()
}

// decideMTU chooses the MTU of the way to the far end, less the tunnel's overhead.
func (p *preflight) decideMTU(hop kernel.Hop) {
	if p.t.MTU != 0 {
		p.noteMTU(hop)
		return
	}
	path := hop.LastingMTU()
	p.t.MTU = fittingMTU(p.t, hop, p.ipsec)
	p.notes = append(p.notes, advice.MTU(p.t, p.encapsulation(path), hop))
	p.noteIPsec(hop)
	if told := hop.MTU; told < path {
		p.note("at present the kernel has been told that the way carries %d bytes at most; that expires, so it is not written down: if large packets get lost, give --mtu %d", told, p.encapsulation(told).MTU(told))
	}
}

// noteMTU warns of an MTU that was given and does not fit.
func (p *preflight) noteMTU(hop kernel.Hop) {
	path := hop.LastingMTU()
	if fits := fittingMTU(p.t, hop, p.ipsec); hop.MTU != 0 && p.t.MTU > fits {
		p.note("warning: an MTU of %d does not fit: %s, on the way to %s by %s; larger packets are cut into fragments or get lost (--mtu auto computes it)", p.t.MTU, p.encapsulation(path).Arithmetic(path), p.t.Remote, fault.Printable(hop.Dev))
	}
	p.noteIPsec(hop)
}

// noteIPsec notes the bytes that IPsec takes of the outer packets, or that they are not known.
func (p *preflight) noteIPsec(hop kernel.Hop) {
	if p.ipsecErr != nil {
		p.note("warning: the IPsec policies could not be read (%s): if one protects the packets to %s, the MTU does not count it; run it with sudo, or give --mtu", fault.Printable(p.ipsecErr.Error()), p.t.Remote)
	} else if text := p.ipsec.Told(p.t.Remote, hop.LastingMTU()); text != "" {
		p.notes = append(p.notes, text)
	}
}

// encapsulation has the headers around the tunnel's packets where path bytes fit, IPsec's included.
func (p *preflight) encapsulation(path int) gre.Encapsulation {
	return p.ipsec.Around(p.t.Encapsulation(), path)
}

// fittingMTU is the largest MTU, in bytes, whose packets fit through the way to the far end with
// the tunnel's headers around them, and IPsec's if the policy is not nil. It is at least IPv4's
// minimum, and at most the largest packet.
func fittingMTU(t nm.Tunnel, hop kernel.Hop, ipsec *kernel.IPsecPolicy) uint32 {
	if t.Link.IgnoreDF && t.Mode.Ethernet() { // packets that do not fit go out in fragments
		return uint32(min(max(hop.LastingMTU(), gre.MinMTU4), t.Encapsulation().MTU(0xffff))) //nolint:gosec // from 68 to 65535
	}
	e := ipsec.Around(t.Encapsulation(), hop.LastingMTU())
	return uint32(min(max(e.MTU(hop.LastingMTU()), gre.MinMTU4), e.MTU(0xffff))) //nolint:gosec // from 68 to 65535
}
