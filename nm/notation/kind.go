package notation

import (
	"net/netip"
	"slices"
	"strings"

	"nmgre/routes/fault"
)

type addr = netip.Addr

// Kind is one notation.
type Kind struct {
	Name  string // the word for --as and --from
	Title string // for a person, such as "Cisco IOS"
	// Words returns the notation's own words for nmgre's flags, such as master for --controller:
	// the notes for the person who makes the end have them in the flags' place. It is nil for none,
	// and a function because a start of nmgre makes no tables of notations that it does not use.
	Words func() map[string]string
	Holds Holds
	// Write writes the near end of a link that the notation can hold and that is [Ready].
	Write func(Link) string
	// Read reads the lines of a text. It is nil for a notation that is written only.
	Read func(*Reading)
	// Looks counts the lines of a text that look like this notation and hardly another one.
	Looks func(text string) int
}

// Text writes the near end of the link. It fails with [fault.ErrInvalid] for each field that the
// notation cannot hold, and if the end is not known.
func (k *Kind) Text(l Link) (string, error) {
	if l.Near.Missing != "" {
		return "", &fault.Error{Kind: fault.ErrInvalid, Field: "as", What: "this end cannot be written: " + l.Near.Missing}
	}
	if !isHost(l.Near.Remote) {
		return "", fault.Invalid("peer", "give this end a local address with --local", "the outer address of the other end is not known")
	}
	l.Near.Tunnel = Ready(l.Near.Tunnel)
	if err := k.Holds.Problems(k.Title, l.Near.Tunnel).Err(); err != nil {
		return "", err
	}
	l.Near.Notes = k.notes(l.Near.Notes)
	return k.Write(l), nil
}

func (k *Kind) words() map[string]string {
	if k.Words == nil {
		return nil
	}
	return k.Words()
}

// notes puts the notation's words into the notes of an end. A command of nmgre's behind a note
// stays as it is typed.
func (k *Kind) notes(list []string) []string {
	list = slices.Clone(list)
	for i := range list {
		note, command, found := strings.Cut(list[i], "nmgre ")
		for flag, word := range k.words() {
			note = strings.ReplaceAll(note, flag, word)
		}
		if list[i] = note; found {
			list[i] += "nmgre " + command
		}
	}
	return list
}

// Sure is how much a line counts that no other notation has. Scripts of ip commands have words that
// others have as well, such as Cisco's ip route.
const Sure = 100000

// CountLines counts the lines of a text that begin with one of the words, behind blanks.
func CountLines(text string, words ...string) int {
	n := 0
	for line := range strings.Lines(text) {
		line = strings.TrimLeft(line, " \t")
		for _, word := range words {
			if strings.HasPrefix(line, word) {
				n++
				break
			}
		}
	}
	return n
}
