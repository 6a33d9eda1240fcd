// Package tui is nmgre on a terminal: a live view of every tunnel, and a wizard that makes one.
//
// Its rules. The screens call the workflow only, by the interface [Workflow], and never block:
// whatever takes time runs beside them under a number, and the answer to a number that is no longer
// waited for is dropped. Nothing polls, but the traffic tab while it is open. Nothing is told by
// colour alone: each state has a word and a glyph. Every key that a screen shows works, and one
// that cannot says why. Texts from outside are escaped before they are drawn. What is hard to
// reverse asks first and names what is lost. No prompt of somebody else's appears under a drawn
// screen: who may ask gets the terminal to itself.
package tui
