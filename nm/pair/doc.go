// Package pair has the conversation of two hosts when one of them makes or verifies both ends of a
// tunnel: the messages with their bounds, the choice of the two ends from the greetings of both
// hosts, and the judgement on the packets that both ends have seen. It is pure. Begin with
// [Message].
//
// # The conversation
//
// The near end starts the far one, and they write one JSON object a line to each other. The far end
// says [Hello] first. For a new tunnel, or an end that is mended, it goes on:
//
//	near              far
//	show          ->            only where the far end has the tunnel already, and this one not
//	              <-  shown
//	plan          ->            the far end plans, and changes nothing
//	              <-  planned
//	make          ->            both ends are made on trial, at the same time
//	              <-  up
//	prove         ->            both ends probe each other
//	              <-  proved
//	save          ->            the near end has saved its own before it says so
//	              <-  saved
//
// Whoever says failed undoes its end. Both say alive every [Beat] while they work. One that has
// heard nothing for [Silence], or the end of its input, takes that for no.
package pair
