// Package fleet verifies many tunnels together. Each gets the report that [verify.Run] makes of it
// alone, but the host is asked once for all: for its links and the ways, for root's files, for the
// rules of its firewalls; and one set of sockets listens for all. Their probes are in flight
// together.
//
// It changes nothing on the host. Begin with [Run]; ears.go knows which tunnels may have mixed up
// their evidence: those are verified once more, alone.
package fleet
