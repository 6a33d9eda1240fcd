package kernel

import "net/netip"

// Clean returns h without the packets and errors that have no addresses, and without zones: these
// are this host's own names, and none of the network's business.
func (h Heard) Clean() Heard {
	clean := func(list []Packet) (whole []Packet) {
		for _, p := range list {
			for _, a := range []*netip.Addr{&p.From, &p.To, &p.InnerFrom, &p.InnerTo} {
				*a = a.WithZone("")
			}
			if p.From.IsValid() && p.To.IsValid() {
				whole = append(whole, p)
			}
		}
		return whole
	}
	h.Sent, h.Arrived, h.Accepted = clean(h.Sent), clean(h.Arrived), clean(h.Accepted)
	var errs []ICMPError
	for _, e := range h.Errors {
		if e.By = e.By.WithZone(""); e.By.IsValid() {
			errs = append(errs, e)
		}
	}
	h.Errors = errs
	return h
}
