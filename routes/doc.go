// Package routes holds routes in the words of `ip route`: it parses, checks, prints and compares
// them, with the meaning that iproute2 gives to each word. It is pure. Begin with [Route] and
// [Parse]; the words themselves are in words.go.
//
// The inner packages are pure as well (list, rule, kernel, keep), or they touch the host (netlink,
// echo, gateway, store, asroot).
package routes
