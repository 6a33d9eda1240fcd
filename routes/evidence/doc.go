// Package evidence listens to what goes on beside a tunnel's own device: the GRE packets of the two
// hosts as they leave and come in, those that come through this host's firewall, the ICMP errors
// about them, and counters of the whole host. It implements [kernel.Listener].
//
// It sends nothing and changes nothing. Without CAP_NET_RAW it has the counters only, and says so.
// What it reads comes from the network and is hostile: it reads some 13,000 packets a second from a
// socket at most, keeps a few hundred, and ends by itself after a minute. It opens its sockets in
// the network namespace of the calling thread.
//
// It may import routes/kernel, gre, packet, echo and fault, nothing else of nmgre. Begin at
// [Listener]; heard.go decides what is kept, filter.go has the filters that the kernel runs, tap.go
// the sockets.
package evidence
