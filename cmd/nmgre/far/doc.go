// Package far makes and verifies both ends of a tunnel: the commands pair, verify --far and
// far-end. The near end starts nmgre on the other host by ssh, and the two talk in the messages of
// package nm/pair. That package decides about both ends; this one carries the decisions out with
// the verbs.
//
// # All or nothing, with two hosts
//
// Both ends are on trial until both have proved the tunnel. Then the near end writes a note that
// its far end is in doubt, saves its own end, and gives the word to save. When the far end has
// answered, the note goes. An end on trial that does not get the word undoes itself; so the only
// moment in which one end may be there alone is between the save of the near end and the far end's
// answer. The near end then asks again, by a new ssh, and undoes its own end if the far one is not
// there. If it cannot ask, or is killed, the note stays: see [Doubts.Settle].
//
// Begin with near.go; serve.go is the other side.
package far
