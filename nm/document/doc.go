// Package document has the one document that says which tunnels are wanted: YAML with the tunnels
// of one host, or with links between named hosts. It is pure, but for the library that reads YAML.
// Begin at [Parse].
//
// A field of a tunnel has the name of the flag of `nmgre create`, lists in the plural. A field that
// is left out has create's default. Nothing else is taken: an unknown field is an error that names
// its line and the nearest field. Anchors and aliases are refused, for which `defaults` stands.
//
// The tunnels of the host that applies the document:
//
//	defaults: {ttl: 64}            # for all tunnels and links
//	tunnels:
//	  - name: gre1
//	    peer: 203.0.113.2
//	    addresses: [172.16.0.1/30]
//	    routes: [10.10.2.0/24]
//
// Hosts and the links between them, both ends once:
//
//	hosts:
//	  paris: {outer: 192.0.2.1, networks: [10.1.0.0/24]}
//	  rome: {outer: 192.0.2.2, networks: [10.2.0.0/24]}
//	pool: 172.31.0.0/16            # each link gets two addresses of it
//	key-pool: 1-65535              # and a key of these
//	links:
//	  - full: all                  # or star: paris, or between: [paris, rome]
//
// The rules for addresses and keys from the pools, and the changes that move them, are in the
// documentation of nm/mesh. An address in the pool that a link gives itself is taken out of the
// pool before that, and so is a key. Where the same two hosts are in several links, the one with
// `between` counts, and else the first.
//
// fields.go has the fields of a tunnel, parse.go and yaml.go read a document, links.go makes the
// tunnels of a host from its links, write.go writes a document, and schema.go makes the JSON Schema
// schema.json, from which editors complete.
package document
