// Package nmgre makes GRE tunnels on hosts that NetworkManager runs, and proves that they carry
// traffic.
//
// It is the domain alone: what a [Tunnel] is and which ones are possible, what its far end must
// look like, who does what to make one (the [Plan]), the workflow that does it all or not at all (a
// [Host]), and what was proved afterwards (the [Report]). It imports nothing but the standard
// library: NetworkManager is behind [Profiles] and the kernel behind [Kernel], which packages nm
// and routes implement.
//
// Names and units are iproute2's and NetworkManager's own. Addresses that carry the tunnel are
// outer (local, remote); addresses that live in it are inner.
package nmgre
