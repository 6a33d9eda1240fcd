// Package wire is rtnetlink's bytes: it encodes and decodes the messages about routes and GRE
// devices, and opens no socket.
//
// Whatever it reads is taken for hostile: every length is checked. Begin at [Route]: [Route.Set]
// makes one of a route in nmgre's words, [Route.Append] encodes it, [ParseRoute] decodes it, and
// [Route.Held] gives nmgre's words again.
//
// The layouts are those of the kernel's headers: linux/rtnetlink.h, linux/netlink.h,
// linux/lwtunnel.h, linux/seg6_iptunnel.h, linux/mpls_iptunnel.h, linux/if_tunnel.h.
package wire
