package journal

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"nmgre/routes/fault"
)

// Where the system's logs listen, below the root.
const (
	journalSocket = "run/systemd/journal/socket" // systemd.io/JOURNAL_NATIVE_PROTOCOL
	syslogSocket  = "dev/log"                    // RFC 3164, as syslog(3) writes it
)

const (
	identifier = "nmgre"
	maxText    = 1000                   // bytes of one text in a line
	maxWait    = 500 * time.Millisecond // for a log that does not read

	// Priorities of syslog(3), and the facility for daemons.
	priorityNotice  = 5
	priorityWarning = 4
	facilityDaemon  = 3
)

// Entry is one change.
type Entry struct {
	Who    string // see [Caller]
	What   string // the change in a few words: "keep routes SNAT for gre1"
	Tunnel string // the UUID of its profile, or empty
	// Err is the reason why nothing was changed; nil if it was. Trouble has the parts of the change
	// that failed all the same.
	Err     error
	Trouble []string
}

// Write writes a line about e to the log of the host whose files are below root. It fails where
// there is no log, or where the log does not take it.
func Write(root string, e Entry) error {
	native := send(filepath.Join(root, journalSocket), e.native())
	if native == nil {
		return nil
	}
	line := fmt.Sprintf("<%d>%s[%d]: %s", facilityDaemon<<3|e.priority(), identifier, os.Getpid(), e.message())
	if err := send(filepath.Join(root, syslogSocket), line); err != nil {
		return errors.Join(native, err)
	}
	return nil
}

// send sends one datagram.
func send(socket, text string) error {
	conn, err := net.Dial("unixgram", socket)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // the datagram is sent, or the error says why not
	if err := conn.SetWriteDeadline(time.Now().Add(maxWait)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(text))
	return err
}

// native returns the entry in the journal's own form. No value has a line break: it would begin
// another field.
func (e Entry) native() string {
	var b strings.Builder
	for _, field := range [][2]string{
		{"MESSAGE", e.message()}, {"PRIORITY", fmt.Sprint(e.priority())}, {"SYSLOG_IDENTIFIER", identifier},
		{"NMGRE_CALLER", plain(e.Who)}, {"NMGRE_CHANGE", plain(e.What)}, {"NMGRE_TUNNEL", plain(e.Tunnel)},
	} {
		if field[1] != "" {
			b.WriteString(field[0] + "=" + field[1] + "\n")
		}
	}
	return b.String()
}

// message returns the line that a person reads: who asked, the change, and the outcome.
func (e Entry) message() string {
	outcome := "done"
	switch {
	case e.Err != nil:
		outcome = "failed: " + plain(e.Err.Error())
	case len(e.Trouble) > 0:
		outcome = fmt.Sprintf("done, but for %d: %s", len(e.Trouble), plain(e.Trouble[0]))
	}
	return plain(e.Who) + ": " + plain(e.What) + ": " + outcome
}

func (e Entry) priority() int {
	if e.Err != nil || len(e.Trouble) > 0 {
		return priorityWarning
	}
	return priorityNotice
}

// plain makes foreign text safe for one line, and cuts it.
func plain(text string) string {
	text = fault.Printable(strings.TrimSpace(text))
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}
