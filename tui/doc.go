// Package tui is nmgre on a terminal: a live view of every tunnel, and a wizard that makes one.
//
// Its rules. The screens call the verbs by the interface [Workflow], and never block. Whatever
// takes time runs beside them under a number; once nobody waits for a number, its answer is
// dropped. Only the traffic tab polls, and only while it is open. Nothing is told by colour alone:
// each state has a word and a glyph. Every key that a screen shows works, or says why it cannot.
// Texts from outside are escaped before they are drawn. A change that is hard to undo asks first
// and names everything that is lost. No prompt of another program appears under a drawn screen:
// such a program gets the terminal to itself. A change never waits for the main loop, nor the main
// loop for a change or for the terminal: so a change is undone in time, and every signal ends the
// program, even if one of them stands still.
//
// Its rooms, from the bottom: canvas writes frames on the terminal, draw turns things into lines,
// way draws the way of a tunnel's packets, steps is the log, screen has keys, far has the far end's
// tab, form has fields, answers turns fields into a tunnel, and wizard makes it. None of them
// imports tui, and no adapter is imported anywhere. Begin with model.go, and with shell.go for the
// wizard; plain.go asks the same questions line by line. Package tuitest is a host in memory for
// the tests.
package tui
