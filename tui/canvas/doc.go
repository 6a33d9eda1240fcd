// Package canvas writes frames on a terminal: the alternate screen, the rows that have changed, the
// cursor, the mouse and the clipboard.
//
// It knows nothing of nmgre, and may import Bubble Tea for its types alone.
package canvas
