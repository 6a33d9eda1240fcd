// Package pathmtu measures how large a packet gets through a tunnel: it sends echo requests of the
// tunnel's whole MTU, and searches for a smaller size only if nothing answers these. It changes
// nothing on the host, and knows no socket: the caller sends.
//
// It may import routes/kernel only. Begin at [Search.Beside].
package pathmtu
