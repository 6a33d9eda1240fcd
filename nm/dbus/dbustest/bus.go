package dbustest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// Bus is a message bus with its NetworkManager. Its methods can be called at any time from any
// goroutine.
type Bus struct {
	address string
	id      string
	user    uint32
	mu      sync.Mutex
	peers   map[*peer]bool
	names   int
	calls   []Call
	faults  map[string]Fault
	nm      *manager         // nil while NetworkManager is not on the bus
	asleep  *manager         // the NetworkManager while it is not on the bus
	hangs   bool             // NetworkManager takes no calls, as when it is stopped
	zones   map[string][]any // firewalld's answers by the methods' names; nil while it is not on the bus
	census  census           // who else is on the bus
	stuck   atomic.Bool      // the bus reads nothing, not even from new clients
	// restarts counts how often NetworkManager came back: each time it has another unique name.
	restarts int
}

// owner is the unique name of NetworkManager.
func (b *Bus) owner() string { return fmt.Sprintf(":1.%d", b.restarts*1000) }

// Call is a method call that a client has made.
type Call struct {
	Member string // without the interface, such as "AddConnection2"
	Path   dbus.ObjectPath
	Args   []any
	Flags  dbus.Flags
}

// Fault says how a method misbehaves. The zero value is none.
type Fault struct {
	Error, Text string        // answer with this error (a D-Bus name) and text
	After       int           // this number of calls succeed first
	Meanwhile   func()        // called before anything else; it may use the bus
	Delay       time.Duration // wait before the answer
	Silent      bool          // never answer
	Hangup      bool          // close the connection instead of an answer
	Vanish      bool          // NetworkManager leaves the bus instead of an answer
}

// Start starts a bus with a NetworkManager 1.42.4 that allows everything and has no profiles. It
// ends with the test.
func Start(tb testing.TB) *Bus {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "bus")
	listener, err := net.Listen("unix", file)
	if err != nil {
		tb.Fatal(err)
	}
	b := &Bus{id: firstID, user: firstUser, address: "unix:path=" + file, peers: make(map[*peer]bool), faults: make(map[string]Fault)}
	b.nm = newManager(b)
	go b.accept(listener)
	tb.Cleanup(func() {
		_ = listener.Close()
		b.Hangup()
	})
	return b
}

// Address returns the D-Bus address of the bus, for DBUS_SYSTEM_BUS_ADDRESS.
func (b *Bus) Address() string { return b.address }

// SetID sets the identity that the bus tells by org.freedesktop.DBus.GetId. A restarted bus has
// another one.
func (b *Bus) SetID(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.id = id
}

// SetUser sets the user ID that the bus takes its clients for. [Start] takes them for a user who is
// not root.
func (b *Bus) SetUser(uid uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.user = uid
}

// Calls returns all calls to NetworkManager and to the bus so far, in order.
func (b *Bus) Calls() []Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.calls)
}

// Count returns how often the method was called.
func (b *Bus) Count(member string) (n int) {
	for _, call := range b.Calls() {
		if call.Member == member {
			n++
		}
	}
	return n
}

// Break makes a method misbehave from now on. The zero Fault ends that.
func (b *Bus) Break(member string, f Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults[member] = f
}

// Rules returns how many match rules the bus holds for its clients.
func (b *Bus) Rules() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.peers {
		n += len(p.rules)
	}
	return n
}

// Hangup closes the connections of all clients, as a bus does when it is stopped.
func (b *Bus) Hangup() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.peers {
		p.closed.Store(true)
		_ = p.conn.Close()
	}
}

// Hang makes NetworkManager answer nothing, as if it had got a SIGSTOP. The bus goes on.
func (b *Bus) Hang() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hangs = true
}

// Stick makes the bus read nothing any more. New clients can connect, and are not greeted.
func (b *Bus) Stick() { b.stuck.Store(true) }

// Vanish takes NetworkManager off the bus. [Bus.Return] brings it back.
func (b *Bus) Vanish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vanish()
}

func (b *Bus) vanish() {
	if b.nm != nil {
		b.asleep, b.nm = b.nm, nil
		b.emit(busPath, busName, "NameOwnerChanged", service, b.owner(), "")
	}
}

// Return brings NetworkManager back to the bus, as after a restart: nothing is active, and its
// objects have other paths.
func (b *Bus) Return() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.nm == nil {
		b.nm, b.asleep = b.asleep, nil
		b.restarts++
		b.nm.restart()
		b.emit(busPath, busName, "NameOwnerChanged", service, "", b.owner())
	}
}

// firstID is the identity of a bus at first. The handshake always tells this one, also after
// [Bus.SetID]: clients ignore it there.
const firstID = "6e6d6772652d746573742d6275732d31"

// firstUser is the user of the bus's clients at first.
const firstUser = 1000

const (
	busName    = "org.freedesktop.DBus"
	busPath    = dbus.ObjectPath("/org/freedesktop/DBus")
	properties = busName + ".Properties"
	service    = "org.freedesktop.NetworkManager"
)

// peer is the connection of a client.
type peer struct {
	bus    *Bus
	conn   net.Conn
	name   string
	rules  []string
	writes sync.Mutex
	serial uint32
	closed atomic.Bool
}

func (b *Bus) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		b.names++
		p := &peer{bus: b, conn: conn, name: fmt.Sprintf(":1.%d", b.names)}
		b.peers[p] = true
		b.mu.Unlock()
		go p.serve()
	}
}

func (p *peer) serve() {
	defer func() {
		p.bus.mu.Lock()
		defer p.bus.mu.Unlock()
		delete(p.bus.peers, p)
		_ = p.conn.Close()
	}()
	in := bufio.NewReader(reader{p})
	if !p.authenticate(in) {
		return
	}
	for {
		msg, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		if msg.Type == dbus.TypeMethodCall {
			p.handle(msg)
		}
	}
}

// reader reads from a client until the bus is stuck. Then it waits until the connection is closed.
type reader struct{ *peer }

func (r reader) Read(b []byte) (int, error) {
	n, err := r.conn.Read(b)
	for r.bus.stuck.Load() && !r.closed.Load() {
		time.Sleep(time.Millisecond)
	}
	return n, err
}

// authenticate speaks the handshake of the D-Bus specification, as far as godbus and libdbus need
// it.
func (p *peer) authenticate(in *bufio.Reader) bool {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		answer := "ERROR"
		switch word := strings.Fields(strings.TrimLeft(line, "\x00")); {
		case len(word) == 0:
		case word[0] == "BEGIN":
			return true
		case word[0] == "AUTH" && len(word) == 2 && word[1] == "EXTERNAL":
			answer = "DATA"
		case word[0] == "AUTH" && len(word) == 3 && word[1] == "EXTERNAL", word[0] == "DATA":
			answer = "OK " + firstID
		case word[0] == "AUTH":
			answer = "REJECTED EXTERNAL"
		}
		if _, err := fmt.Fprintf(p.conn, "%s\r\n", answer); err != nil {
			return false
		}
	}
}

func header[T any](msg *dbus.Message, field dbus.HeaderField) T {
	v, _ := msg.Headers[field].Value().(T)
	return v
}

// handle records a call and answers it, or misbehaves as [Bus.Break] says.
func (p *peer) handle(msg *dbus.Message) {
	b := p.bus
	call := Call{Member: header[string](msg, dbus.FieldMember), Path: header[dbus.ObjectPath](msg, dbus.FieldPath), Args: msg.Body, Flags: msg.Flags}
	b.mu.Lock()
	b.calls = append(b.calls, call)
	f := b.faults[call.Member]
	if f.After > 0 {
		f.After--
		b.faults[call.Member] = f
		f = Fault{}
	}
	b.mu.Unlock()
	if f.Meanwhile != nil {
		f.Meanwhile()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.Delay > 0 {
		time.AfterFunc(f.Delay, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			p.answer(msg, call, f)
		})
		return
	}
	p.answer(msg, call, f)
}

func (p *peer) answer(msg *dbus.Message, call Call, f Fault) {
	var results []any
	var err *dbus.Error
	switch b := p.bus; {
	case f.Silent || b.hangs && header[string](msg, dbus.FieldDestination) == service:
		return
	case f.Hangup:
		_ = p.conn.Close()
		return
	case f.Vanish:
		b.vanish()
		err = fail(busName+".Error.NoReply", "Message recipient disconnected from message bus without replying")
	case f.Error != "":
		err = fail(f.Error, f.Text)
	case header[string](msg, dbus.FieldDestination) == busName:
		results, err = p.ask(call)
	case header[string](msg, dbus.FieldDestination) == systemd:
		results, err = b.askSystemd(call)
	case header[string](msg, dbus.FieldDestination) == firewalld && b.zones == nil:
		err = fail(busName+".Error.ServiceUnknown", "The name "+firewalld+" was not provided by any .service files")
	case header[string](msg, dbus.FieldDestination) == firewalld:
		results = b.zones[call.Member]
	case b.nm == nil:
		err = fail(busName+".Error.ServiceUnknown", "The name "+service+" was not provided by any .service files")
	default:
		results, err = b.nm.ask(call)
	}
	p.reply(msg, results, err)
	if b := p.bus; b.nm != nil && err == nil {
		b.nm.after() // signals that the call set off come after its answer
	}
}

// ask answers a call to the bus itself.
func (p *peer) ask(call Call) ([]any, *dbus.Error) {
	var text string
	if len(call.Args) > 0 {
		text, _ = call.Args[0].(string)
	}
	switch call.Member {
	case "Hello":
		return []any{p.name}, nil
	case "GetId":
		return []any{p.bus.id}, nil
	case "GetConnectionUnixUser":
		return []any{p.bus.user}, nil
	case "AddMatch":
		p.rules = append(p.rules, text)
		return nil, nil
	case "RemoveMatch":
		i := slices.Index(p.rules, text)
		if i < 0 {
			return nil, fail(busName+".Error.MatchRuleNotFound", "The given match rule wasn't found and can't be removed")
		}
		p.rules = slices.Delete(p.rules, i, i+1)
		return nil, nil
	case "ListNames", "ListActivatableNames":
		return p.bus.list(call.Member != "ListNames"), nil
	case "NameHasOwner":
		return []any{p.bus.owned(text)}, nil
	case "GetNameOwner":
		if text != service || p.bus.nm == nil {
			return nil, fail(busName+".Error.NameHasNoOwner", "Could not get owner of name '"+text+"': no such name")
		}
		return []any{p.bus.owner()}, nil
	}
	return nil, fail(busName+".Error.UnknownMethod", "no method "+call.Member)
}

func (b *Bus) owned(name string) bool {
	for p := range b.peers {
		if p.name == name {
			return true
		}
	}
	return name == service && b.nm != nil
}

// systemd is the name of the host's first process, which says yes to everything.
const systemd = "org.freedesktop.systemd1"

// firewalld is the name of a host's firewall, which a test scripts.
const firewalld = "org.fedoraproject.FirewallD1"

// SetFirewalld puts firewalld on the bus, with its answers by the names of its methods.
func (b *Bus) SetFirewalld(answers map[string][]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.zones = answers
}

func fail(name, text string) *dbus.Error { return &dbus.Error{Name: name, Body: []any{text}} }

func (p *peer) reply(to *dbus.Message, results []any, err *dbus.Error) {
	if to.Flags&dbus.FlagNoReplyExpected != 0 {
		return
	}
	msg := &dbus.Message{Type: dbus.TypeMethodReply, Body: results, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(to.Serial()),
		dbus.FieldSender:      dbus.MakeVariant(header[string](to, dbus.FieldDestination)),
	}}
	if err != nil {
		msg.Type, msg.Body = dbus.TypeError, err.Body
		msg.Headers[dbus.FieldErrorName] = dbus.MakeVariant(err.Name)
	}
	p.send(msg)
}

// emit sends a signal of NetworkManager's, or of the bus itself, to every client that has any match
// rule. It does not compare it with the rule.
func (b *Bus) emit(path dbus.ObjectPath, iface, member string, args ...any) {
	sender := b.owner()
	if iface == busName {
		sender = busName
	}
	b.emitFrom(sender, path, iface, member, args...)
}

// Forge sends a signal that another process on the bus, with the unique name sender, has sent to
// every client by its name. The bus passes it on, whatever match rules there are.
func (b *Bus) Forge(sender string, path dbus.ObjectPath, iface, member string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.emitFrom(sender, path, iface, member, args...)
}

func (b *Bus) emitFrom(sender string, path dbus.ObjectPath, iface, member string, args ...any) {
	for p := range b.peers {
		if len(p.rules) > 0 {
			p.send(&dbus.Message{Type: dbus.TypeSignal, Body: args, Headers: map[dbus.HeaderField]dbus.Variant{
				dbus.FieldPath:      dbus.MakeVariant(path),
				dbus.FieldInterface: dbus.MakeVariant(iface),
				dbus.FieldMember:    dbus.MakeVariant(member),
				dbus.FieldSender:    dbus.MakeVariant(sender),
			}})
		}
	}
}

func (p *peer) send(msg *dbus.Message) {
	msg.Headers[dbus.FieldDestination] = dbus.MakeVariant(p.name)
	if len(msg.Body) > 0 {
		msg.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(msg.Body...))
	}
	var out bytes.Buffer
	if err := msg.EncodeTo(&out, binary.LittleEndian); err != nil {
		panic(err) // a mistake in this package
	}
	p.writes.Lock()
	defer p.writes.Unlock()
	p.serial++
	// godbus sets serials only for connections of its own
	binary.LittleEndian.PutUint32(out.Bytes()[8:], p.serial)
	_, _ = p.conn.Write(out.Bytes())
}
