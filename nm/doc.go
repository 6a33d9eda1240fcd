// Package nm has NetworkManager's words: [Tunnel] and [Profile], the owner of a route, the problems
// of a tunnel, the lines of ip and nmgre that make it, and the doors to one host, [System]. It is
// pure. Begin with tunnel.go.
//
// # Glossary
//
//   - tunnel: the thing that the user wants, a [Tunnel].
//   - profile: the tunnel's form in NetworkManager, a [Profile]. NetworkManager calls it a
//     connection.
//   - far end: the other host of the tunnel.
//   - outer: an address that carries the tunnel; local is this end's, remote the far end's.
//   - inner: an address that lives in the tunnel.
//   - owner: the side that holds a route: NetworkManager in the profile, or the kernel half.
//   - kernel half: everything of a tunnel that a profile cannot hold: routes, SNAT, forwarding.
//   - kept: the kernel half as root's file has it, a [keep.Kept].
//   - pin: the host route that keeps the far end reachable where a route of the tunnel covers it.
//   - plan: every step with its reason, before any step is done.
//   - step: one thing that is done, and that can be undone.
//   - undo: to make everything as it was. It is the only word for that.
//   - check: one verified fact, with its evidence. A verdict is the outcome of one or of all.
//   - trial: a profile, or root's part of a tunnel, that is not saved yet. The profile carries a
//     mark, by which the next command finds it if its process was killed.
//   - converge: to make the kernel have the kept state, by the difference only.
//   - slot: the place of a route in the kernel: table, destination, TOS and metric. Two routes in
//     one slot are in each other's way.
package nm
