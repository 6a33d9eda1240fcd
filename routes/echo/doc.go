// Package echo sends ICMP and ICMPv6 echo requests out of one network device, and reports the
// answers and the ICMP errors that come back (RFC 792, RFC 4443).
//
// It knows sockets but no netlink: the caller finds the device. Begin at [Run]; icmp.go has the
// messages themselves, without a socket.
package echo
