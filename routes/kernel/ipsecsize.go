package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/routes/gre"
)

// IPsecState has the properties of a state (security association) that decide how long its packets
// are. It has the kernel's names of the algorithms, which are printable, and no keys.
type IPsecState struct {
	Protocol, Mode string // as in [IPsecTemplate]
	IPv6           bool   // its packets are IPv6
	// Cipher is such as "cbc(aes)", or "rfc4106(gcm(aes))", which guards the integrity itself. Hash
	// is such as "hmac(sha256)". Both may be empty.
	Cipher, Hash string
	// ICV is the length of the integrity check value in bytes; -1 if it is not known.
	ICV int
	// Encap says that there is a header between IP and ESP: "" for none, "udp" (RFC 3948), or
	// another word that says which.
	Encap string
	// Align4 says that an AH header over IPv4 is as short as RFC 4302 allows.
	Align4 bool
}

// ciphers are the kernel's ciphers for ESP, with the bytes of the initialization vector and of the
// block to which they pad.
var ciphers = map[string]struct{ iv, block int }{
	"ecb(cipher_null)": {0, 1}, "cbc(des)": {8, 8}, "cbc(des3_ede)": {8, 8}, "cbc(cast5)": {8, 8}, "cbc(blowfish)": {8, 8},
	"cbc(aes)": {16, 16}, "cbc(serpent)": {16, 16}, "cbc(camellia)": {16, 16}, "cbc(twofish)": {16, 16}, "cbc(sm4)": {16, 16},
	"rfc3686(ctr(aes))": {8, 1}, "rfc4106(gcm(aes))": {8, 1}, "rfc4309(ccm(aes))": {8, 1}, "rfc4543(gcm(aes))": {8, 1},
	"rfc7539esp(chacha20,poly1305)": {8, 1},
}

// String names the protection: "esp transport cbc(aes) hmac(sha256)".
func (s IPsecState) String() string {
	words := []string{s.Protocol, s.Mode, s.Cipher, s.Hash, s.Encap}
	return strings.Join(slices.DeleteFunc(words, func(word string) bool { return word == "" }), " ")
}

// Carries returns the length of the longest IP packet that the state makes into one of at most path
// bytes. Both are in bytes, with their IP headers. If it cannot be known, why says the reason.
func (s IPsecState) Carries(path int) (bytes int, why string) {
	header := 20
	if s.IPv6 {
		header = 40
	}
	outer := header // the header that a tunnel puts in front
	switch s.Mode {
	case "transport":
		outer = 0
	case "tunnel":
		header = 0 // the whole packet is enclosed
	default:
		return path, "of the mode " + s.Mode
	}
	switch s.Protocol {
	case "esp":
		return s.carriesESP(path-outer, header)
	case "ah":
		return s.carriesAH(path - outer)
	case "comp": // a packet that compression does not shorten is sent as it is (RFC 3173)
		return path - outer, ""
	}
	return path, "of the protocol " + s.Protocol
}

// carriesESP is for ESP (RFC 4303) behind an IP header of that many bytes: SPI and sequence number,
// the vector, the enclosed bytes with their padding, the padding's length and the next header, the
// ICV.
func (s IPsecState) carriesESP(path, header int) (bytes int, why string) {
	const fixed, trailer, udp = 8, 2, 8
	cipher, known := ciphers[s.Cipher]
	switch {
	case !known:
		return path, fmt.Sprintf("of the cipher \"%s\"", s.Cipher)
	case s.ICV < 0:
		return path, fmt.Sprintf("of the hash \"%s\"", s.Hash)
	case s.Encap == "udp":
		path -= udp
	case s.Encap != "":
		return path, "of the encapsulation " + s.Encap
	}
	block := max(cipher.block, 4)
	enclosed := (path - header - fixed - cipher.iv - s.ICV) / block * block
	return max(0, header+enclosed-trailer), ""
}

// carriesAH is for AH (RFC 4302): twelve bytes and the ICV, padded to four or eight bytes.
func (s IPsecState) carriesAH(path int) (bytes int, why string) {
	const fixed = 12
	if s.ICV < 0 {
		return path, fmt.Sprintf("of the hash \"%s\"", s.Hash)
	}
	align := 8
	if s.Align4 && !s.IPv6 {
		align = 4
	}
	return max(0, path-(fixed+s.ICV+align-1)/align*align), ""
}

// Carries returns the length of the longest packet that the policy's protections make into one that
// fits on the way, where packets of path bytes fit. All are in bytes, with their IP headers. If
// that cannot be known, why says the reason, and path is returned. p may be nil.
func (p *IPsecPolicy) Carries(path int) (bytes int, why string) {
	if p == nil || p.Block || len(p.Templates) == 0 {
		return path, ""
	}
	bytes = path
	if p.WayMTU > 0 {
		bytes = p.WayMTU
	}
	for i := range slices.Backward(p.Templates) { // the last one is the outermost
		if bytes, why = p.Templates[i].carries(bytes); why != "" {
			return path, why
		}
	}
	return min(path, bytes), ""
}

// carries is [IPsecPolicy.Carries] for one protection. Of several states the kernel may take any.
func (t IPsecTemplate) carries(path int) (bytes int, why string) {
	switch {
	case !t.State && t.Optional:
		return path, ""
	case !t.State:
		return path, "there is no state (security association) for its " + t.String() + " yet"
	case len(t.States) == 0:
		return path, "nothing is known of the state for its " + t.String()
	}
	bytes = path
	for _, s := range t.States {
		fits, unknown := s.Carries(path)
		if unknown != "" {
			return path, "nmgre does not know how long packets " + unknown + " are"
		}
		bytes = min(bytes, fits)
	}
	return bytes, ""
}

// Around adds to the headers e the bytes that IPsec takes of a packet of path bytes, as far as they
// are known. p may be nil.
func (p *IPsecPolicy) Around(e gre.Encapsulation, path int) gre.Encapsulation {
	carried, _ := p.Carries(path)
	e.IPsec = path - carried
	return e
}

// Told says how many bytes IPsec takes of packets to a host, or why that is not known, as a note
// about an MTU. It is empty where IPsec does not protect them. p may be nil.
func (p *IPsecPolicy) Told(to netip.Addr, path int) string {
	carried, why := p.Carries(path)
	protections := p.Protections()
	switch {
	case why != "":
		return fmt.Sprintf("warning: IPsec protects the packets to %s, and the MTU cannot count it: %s; once that is known, nmgre edit with --mtu auto counts it", to, why)
	case carried < path:
		return fmt.Sprintf("IPsec to %s takes %d bytes of a packet of %d (%s): the MTU counts them", to, path-carried, path, protections)
	case protections != "":
		return fmt.Sprintf("IPsec to %s takes nothing of the packets at present (%s)", to, protections)
	}
	return ""
}

// Protections names the protections that packets get, the innermost first. Those that a policy asks
// for without insisting are marked. p may be nil.
func (p *IPsecPolicy) Protections() string {
	var names []string
	if p == nil {
		return ""
	}
	for _, t := range p.Templates {
		name := t.Protocol + " " + t.Mode
		if len(t.States) > 0 {
			name = t.States[0].String()
		}
		switch {
		case t.Optional && t.State:
			name += ", optional (level use)"
		case t.Optional:
			name += ", optional (level use) and without a state at present"
		}
		names = append(names, name)
	}
	return strings.Join(names, "; ")
}

// TunnelEnd returns the far end of the outermost protection in tunnel mode: the way to it counts,
// and not the way to the packets' own destination. It is not valid if there is none.
func (p *IPsecPolicy) TunnelEnd() netip.Addr {
	if p == nil || p.Block {
		return netip.Addr{}
	}
	for _, t := range slices.Backward(p.Templates) {
		if t.Mode == "tunnel" && t.State {
			return t.To
		}
	}
	return netip.Addr{}
}
