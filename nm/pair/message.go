package pair

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// Protocol is the version of the conversation. Ends of different versions do not talk.
const Protocol = 1

// Times of the conversation.
const (
	Beat    = 2 * time.Second  // from one sign of life to the next
	Silence = 10 * time.Second // after which the other end counts as gone
)

// Bounds of the messages from the other end.
const (
	MaxLine     = 1 << 20 // bytes of a message
	maxMessages = 10000   // of a conversation
	maxList     = 4096    // entries of a list
	maxText     = 16384   // bytes of a text, such as a command with its routes
	maxChecks   = 512     // of a report
)

// Type is the kind of a message.
type Type string

// The messages of the near end.
const (
	Show  Type = "show" // tells how the other end of its tunnel is to be
	Plan  Type = "plan"
	Make  Type = "make"
	Prove Type = "prove"
	Save  Type = "save"
	Look  Type = "look" // looks at the tunnel, and listens beside it
	Shoot Type = "shoot"
	Stop  Type = "stop"
	Undo  Type = "undo"
)

// The messages of the far end.
const (
	Greeting Type = "hello"
	Shown    Type = "shown"
	Planned  Type = "planned"
	Up       Type = "up"
	Proved   Type = "proved"
	Saved    Type = "saved"
	Failed   Type = "failed"
	Looked   Type = "looked"
	Shot     Type = "shot"
	Seen     Type = "seen"
)

// Alive is the sign of life of both ends.
const Alive Type = "alive"

// types are all of them.
var types = []Type{Show, Shown, Plan, Make, Prove, Save, Look, Shoot, Stop, Undo, Greeting, Planned, Up, Proved, Saved, Failed, Looked, Shot, Seen, Alive}

// Message is one line of the conversation. Only the fields of its type are set. Fields are added,
// never renamed.
type Message struct {
	Type Type `json:"type"`

	Hello *Hello `json:"hello,omitempty"`
	// Command is the tunnel of a plan, or the other end of the one that is shown, as the line of
	// `nmgre create` that makes it.
	Command string `json:"command,omitempty"`
	// AnyName lets the far end choose another name than the command's.
	AnyName bool `json:"any_name,omitempty"`
	// Mend changes the far end's tunnel between the same outer addresses, if there is one.
	Mend bool `json:"mend,omitempty"`
	// Taken are the far end's tunnels that belong to other ones of the near end: they stay.
	Taken []string `json:"taken,omitempty"`
	// MTU of the tunnel, in bytes: of planned the one that fits there, of make the one to take.
	MTU     uint32   `json:"mtu,omitempty"`
	Name    string   `json:"name,omitempty"`    // of the far end's tunnel
	Changes []string `json:"changes,omitempty"` // to a tunnel that is mended, a line each
	Steps   []string `json:"steps,omitempty"`   // of the far end's plan
	Notes   []string `json:"notes,omitempty"`
	Report  *Report  `json:"report,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
	View    *View    `json:"view,omitempty"`
	Ends    *Ends    `json:"ends,omitempty"` // of the far end's tunnel, to look at
	// Count is how many echo requests were answered.
	Count int `json:"count,omitempty"`
}

// Hello is the far end's greeting: its own facts.
type Hello struct {
	Protocol int    `json:"protocol"`
	Version  string `json:"version"` // of nmgre
	Host     string `json:"host"`
	Root     bool   `json:"root"` // it may change routes
	// Reached is its address that ssh has reached, and Client where it saw ssh come from. Both may
	// be the zero Addr.
	Reached netip.Addr `json:"reached"`
	Client  netip.Addr `json:"client"`
	Nets    []Net      `json:"nets"`
	Names   []string   `json:"names"` // of its devices and profiles
	Ends    []Ends     `json:"ends"`  // of its tunnels
	Routed  []Routed   `json:"routed,omitempty"`
	// Uplinks are those of Nets by which packets to Client leave by a gateway: no LANs.
	Uplinks []netip.Prefix `json:"uplinks,omitempty"`
}

// Net is a network of a host: an address of its own with the length of the network.
type Net struct {
	Dev     string       `json:"dev"`
	Address netip.Prefix `json:"address"`
	Up      bool         `json:"up"`
	Tunnel  bool         `json:"tunnel"`
}

// Ends are the outer addresses of a tunnel, with its name, in the words of its own host.
type Ends struct {
	Name   string     `json:"name"`
	Local  netip.Addr `json:"local"`
	Remote netip.Addr `json:"remote"`
	Input  string     `json:"input_key"` // empty for none
	Output string     `json:"output_key"`
	Trial  bool       `json:"trial"` // it is not saved yet
	// Inner are the inner addresses that the near end takes the far one to have, of [Look] only.
	Inner []netip.Addr `json:"inner,omitempty"`
}

// Report is a verification at the far end: the checks that did not pass, and whether it was
// answered.
type Report struct {
	Verdict  string  `json:"verdict"`
	Answered bool    `json:"answered"`
	Checks   []Check `json:"checks"`
}

// Check is one of them.
type Check struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	Certainty string `json:"certainty"`
	Summary   string `json:"summary"`
	Evidence  string `json:"evidence"`
	Hint      string `json:"hint"`
	Cause     string `json:"cause"`
	Place     string `json:"place"`
}

// Failure is why the far end did not do it.
type Failure struct {
	Kind  string   `json:"kind"` // a name of [kinds], or empty
	What  string   `json:"what"`
	Hints []string `json:"hints"`
}

// kinds are the kinds of errors that go from host to host. A kind that is also another comes before
// that one.
var kinds = []struct {
	name string
	kind error
}{
	{"not-permitted", fault.ErrNotPermitted}, {"no-networkmanager", fault.ErrNoNetworkManager}, {"unsupported", fault.ErrUnsupported},
	{"timeout", fault.ErrTimeout}, {"not-found", fault.ErrNotFound}, {"invalid", fault.ErrInvalid},
}

// kindOf returns the kind with a name; nil for an unknown one.
func kindOf(name string) error {
	for _, k := range kinds {
		if k.name == name {
			return k.kind
		}
	}
	return nil
}

// FailureOf returns an error as a message has it.
func FailureOf(err error) *Failure {
	f := &Failure{What: fault.OneLine(err.Error()), Hints: fault.Hints(err)}
	for _, k := range kinds {
		if f.Kind == "" && errors.Is(err, k.kind) {
			f.Kind = k.name
		}
	}
	f.Hints = f.Hints[:min(len(f.Hints), 16)]
	for i := range f.Hints {
		f.Hints[i] = cut(f.Hints[i])
	}
	return f
}

// cut bounds a text that goes to the other end.
func cut(text string) string { return fault.Printable(text) }

// Error returns the failure as an error that names the host. It is printable.
func (f *Failure) Error(host string) error {
	if f == nil {
		return &fault.Error{What: fault.Printable(host) + ": it failed, and did not say why"}
	}
	e := &fault.Error{Kind: kindOf(f.Kind), What: fault.Printable(host) + ": " + fault.Printable(f.What)}
	var err error = e
	for i, hint := range f.Hints {
		hint = "on " + fault.Printable(host) + ": " + fault.Printable(hint)
		if i == 0 {
			e.Hint = hint
			continue
		}
		err = errors.Join(err, &fault.Error{What: e.What, Hint: hint})
	}
	return err
}

// Reader reads the messages of the other end, which may send anything.
type Reader struct {
	// Chatter is called with each line before the first message that is none: what the far shell's
	// start-up files print. Such a line is an error if Chatter is nil, and so is one of very many.
	Chatter func(line string)

	in      *bufio.Reader
	read    int
	chatted int
}

// NewReader returns a reader of in.
func NewReader(in io.Reader) *Reader { return &Reader{in: bufio.NewReader(in)} }

// Next returns the next message. Its error is [io.EOF] at the end of the input, and one of the kind
// [fault.ErrInvalid] for a line that is no message.
func (r *Reader) Next() (Message, error) {
	line, err := r.line()
	for err == nil && r.isChatter(line) {
		r.Chatter(fault.Printable(strings.TrimSpace(string(line))))
		line, err = r.line()
	}
	if err != nil {
		return Message{}, err
	}
	if r.read++; r.read > maxMessages {
		return Message{}, bad("it says too much")
	}
	return Parse(line)
}

// maxChatter bounds the lines before the first message.
const maxChatter = 200

// isChatter reports whether a line is none of the conversation, which has not begun.
func (r *Reader) isChatter(line []byte) bool {
	if r.Chatter == nil || r.read > 0 || r.chatted >= maxChatter || bytes.HasPrefix(line, []byte("{")) {
		return false
	}
	r.chatted++
	return true
}

// line reads a line of at most [MaxLine] bytes.
func (r *Reader) line() ([]byte, error) {
	var line []byte
	for {
		part, err := r.in.ReadSlice('\n')
		if line = append(line, part...); len(line) > MaxLine {
			return nil, bad("a message has more than %d bytes", MaxLine)
		}
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		default: // a line that is cut off is no message
			return nil, io.EOF
		}
	}
}

// Parse reads one message, and checks every field of it.
func Parse(line []byte) (Message, error) {
	var m Message
	if !utf8.Valid(line) {
		return m, bad("a message is no UTF-8 text")
	}
	if err := json.NewDecoder(bytes.NewReader(line)).Decode(&m); err != nil {
		return Message{}, bad("%s is no message", fault.Printable(string(line[:min(len(line), 80)])))
	}
	if !slices.Contains(types, m.Type) {
		return Message{}, bad("it says %s, which this nmgre does not know", fault.Printable(string(m.Type)))
	}
	if err := m.check(); err != nil {
		return Message{}, err
	}
	return m, nil
}

func bad(format string, args ...any) error {
	return &fault.Error{Kind: fault.ErrInvalid, What: "the other end: " + fmt.Sprintf(format, args...),
		Hint: "use the same version of nmgre at both ends, and have the far shell print nothing where there is no terminal"}
}

// check refuses a message that no nmgre writes.
func (m *Message) check() error {
	texts := slices.Concat([]string{m.Command, m.Name}, m.Changes, m.Steps, m.Notes, m.Taken)
	if m.Failure != nil {
		texts = append(append(texts, m.Failure.Kind, m.Failure.What), m.Failure.Hints...)
	}
	if m.Report != nil {
		if len(m.Report.Checks) > maxChecks {
			return bad("a report has more than %d checks", maxChecks)
		}
		for _, c := range m.Report.Checks {
			texts = append(texts, c.ID, c.Status, c.Certainty, c.Summary, c.Evidence, c.Hint, c.Cause, c.Place)
		}
	}
	if len(texts) > maxList {
		return bad("a message has more than %d texts", maxList)
	}
	for _, text := range texts {
		if len(text) > maxText {
			return bad("a text has more than %d bytes", maxText)
		}
	}
	switch {
	case m.MTU > 65535:
		return bad("%d is no MTU", m.MTU)
	case m.Count < 0 || m.Count > maxMessages:
		return bad("%d is no number of answers", m.Count)
	case m.Name != "" && !routes.IsDevice(m.Name):
		return bad("%s is no name of a device", fault.Printable(m.Name))
	case m.Type == Greeting:
		return m.Hello.check()
	case m.Ends != nil && m.Ends.zoned():
		return bad("the outer addresses of a tunnel have no zone")
	case m.Ends != nil && (!isHost(m.Ends.Remote) && !isHost(m.Ends.Local) || len(m.Ends.Input) > 15 || len(m.Ends.Output) > 15 || len(m.Ends.Inner) > maxList):
		return bad("there is no tunnel between %s and %s", m.Ends.Local, m.Ends.Remote)
	}
	return m.View.check()
}

// zoned reports whether an address has a zone. Its text is anything, and would get into the lines
// that a person copies.
func zoned(addrs ...netip.Addr) bool {
	return slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Zone() != "" })
}

func (e Ends) zoned() bool { return zoned(e.Local, e.Remote) || zoned(e.Inner...) }

// check refuses a greeting that no host can give.
func (h *Hello) check() error {
	switch {
	case h == nil:
		return bad("its greeting is empty")
	case h.Protocol != Protocol:
		return &fault.Error{Kind: fault.ErrUnsupported, What: fmt.Sprintf("the other end is nmgre %s, which speaks another language (%d, and this one %d)", fault.Printable(h.Version), h.Protocol, Protocol),
			Hint: "install the same version of nmgre at both ends"}
	case len(h.Nets) > maxList || len(h.Names) > maxList || len(h.Ends) > maxList || len(h.Routed) > maxList || len(h.Uplinks) > maxList:
		return bad("a list has more than %d entries", maxList)
	case len(h.Host) > 255 || len(h.Version) > 255:
		return bad("its name is too long")
	}
	for _, n := range h.Nets {
		if !n.Address.IsValid() || !routes.IsDevice(n.Dev) {
			return bad("%s on %s is no address of a device", n.Address, fault.Printable(n.Dev))
		}
	}
	h.Reached, h.Client = h.Reached.WithZone(""), h.Client.WithZone("") // of an ssh to a link-local address
	for _, e := range h.Ends {
		if e.zoned() || !routes.IsDevice(e.Name) || len(e.Input) > 15 || len(e.Output) > 15 {
			return bad("%s is no tunnel", fault.Printable(e.Name))
		}
	}
	for _, r := range h.Routed {
		if !routes.IsDevice(r.Tunnel) || !r.Dst.IsValid() {
			return bad("%s is no network of a tunnel", r.Dst)
		}
	}
	for _, name := range h.Names {
		if len(name) > 255 {
			return bad("a name is too long")
		}
	}
	return nil
}

// Write writes a message as one line.
func Write(w io.Writer, m Message) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(line) >= MaxLine {
		return &fault.Error{What: fmt.Sprintf("a message for the other end has more than %d bytes", MaxLine), Hint: "give the routes with nmgre route add --routes-from at each end"}
	}
	_, err = w.Write(append(line, '\n'))
	return err
}
