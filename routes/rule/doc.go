// Package rule holds rules of the routing policy in the words of `ip rule`: it parses, prints and
// compares them, with the meaning that iproute2 gives to each word (its iprule.c). A rule chooses
// the table of routes for the packets that it is for. It is pure. Begin with [Rule] and [Parse].
package rule
