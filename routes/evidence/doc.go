// Package evidence listens beside a tunnel's own device: to the GRE packets of the two hosts as
// they leave and come in, to those that come through this host's firewall, and to the ICMP errors
// about them. It reads counters of the whole host. It implements [kernel.Listener].
//
// It sends nothing and changes nothing. Without CAP_NET_RAW it has the counters only, and says so.
// The packets come from the network and are hostile: it reads some 13,000 of them a second from a
// socket at most, keeps a few hundred, and ends by itself after a minute. It opens its sockets in
// the network namespace of the calling thread.
//
// Begin at [Listener]; heard.go decides which packets are kept, filter.go has the filters that the
// kernel runs, tap.go the sockets.
package evidence
