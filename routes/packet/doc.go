// Package packet reads the headers of IP packets that came from the network: whole ones, and those
// that an ICMP error quotes. It is pure. Begin at [ParseIP].
package packet
