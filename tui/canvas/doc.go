// Package canvas writes frames on a terminal: the alternate screen, the rows that have changed, the
// cursor, the mouse and the clipboard. It also reads the terminal's input, in turns with programs
// that have the terminal to themselves.
//
// Nothing here waits for another: the output never for the terminal, and a message never for the
// main loop.
//
// It knows nothing of nmgre, and Bubble Tea for its types alone.
package canvas
