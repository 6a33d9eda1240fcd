// Package pathmtu measures how large a packet gets through a tunnel: it sends echo requests of the
// tunnel's whole MTU, and searches for a smaller size only if nothing answers these. It changes
// nothing on the host, and knows no socket: the caller sends.
//
// Begin at [Search.Beside].
package pathmtu
