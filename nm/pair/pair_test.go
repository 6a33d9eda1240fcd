package pair

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// One end reads the messages that the other one writes.
func TestMessages(t *testing.T) {
	var b bytes.Buffer
	sent := []Message{{Type: Alive}, {Type: Plan, Command: "nmgre create --peer 192.0.2.1 --address 172.16.0.1/30", AnyName: true},
		{Type: Greeting, Hello: &Hello{Protocol: Protocol, Host: "linux2", Nets: []Net{{Dev: "eth0", Address: want.CIDR("192.0.2.1/24"), Up: true}}}}}
	for _, m := range sent {
		if err := Write(&b, m); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(&b)
	for _, m := range sent {
		got, err := r.Next()
		if err != nil || got.Type != m.Type || got.Command != m.Command || got.AnyName != m.AnyName {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

// A message that no nmgre writes is refused, and so is one that is too long.
func TestMessagesRefused(t *testing.T) {
	for _, line := range []string{
		"", "Welcome to linux2!\n", "{}\n", `{"type":"hello"}` + "\n", `{"type":"hello","hello":{"protocol":99}}` + "\n", `{"type":"run"}` + "\n",
		`{"type":"planned","mtu":70000}` + "\n", `{"type":"planned","mtu":-1}` + "\n", `{"type":"planned","name":"../x"}` + "\n", `{"type":"plan","command":"` + strings.Repeat("x", maxText+1) + `"}` + "\n",
		`{"type":"planned","notes":[` + strings.Repeat(`"",`, maxList+1) + `""]}` + "\n", "\xff{}\n", `{"type":"shot","count":-1}` + "\n",
		`{"type":"seen","view":{"found":true,"mode":"vxlan"}}` + "\n", `{"type":"seen","view":{"sent":[{"key":"x; reboot"}]}}` + "\n", `{"type":"look","ends":{"name":"x"}}` + "\n",
		strings.Repeat("x", MaxLine+2), `{"type":"alive"}`, // the end of the line is missing
		`{"type":"hello","hello":{"protocol":1,"nets":[{"dev":"a/b","address":"192.0.2.1/24"}]}}` + "\n", `{"type":"hello","hello":{"protocol":1,"ends":[{"name":""}]}}` + "\n",
		`{"type":"hello","hello":{"protocol":1,"ends":[{"name":"gre1","remote":"fe80::1%$(reboot)"}]}}` + "\n", `{"type":"seen","view":{"local":"fe80::1%;reboot"}}` + "\n",
		`{"type":"seen","view":{"sent":[{"inner":"fe80::1%\u001b[2J"}]}}` + "\n", `{"type":"look","ends":{"name":"x","remote":"192.0.2.1","local":"fe80::1%x"}}` + "\n",
	} {
		if m, err := NewReader(strings.NewReader(line)).Next(); err == nil {
			t.Errorf("%.60q is taken: %+v", line, m)
		}
	}
	if m, err := Parse([]byte(`{"type":"hello","hello":{"protocol":1,"reached":"fe80::1%eth0","client":"fe80::2%$(reboot)"}}`)); err != nil || m.Hello.Reached.Zone()+m.Hello.Client.Zone() != "" {
		t.Errorf("ssh by a link-local address: %v", err)
	}
	r := NewReader(strings.NewReader(strings.Repeat("{\"type\":\"alive\"}\n", maxMessages+1)))
	for range maxMessages {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("it may say anything: %v", err)
	}
}

// What the far shell's start-up files print comes before the first message, is shown in a printable
// form, and has a bound; later it is an error.
func TestChatter(t *testing.T) {
	var told []string
	read := func(text string) (m Message, err error) {
		r := NewReader(strings.NewReader(text))
		r.Chatter, told = func(line string) { told = append(told, line) }, nil
		for err == nil {
			if m, err = r.Next(); err == nil && m.Type == Saved {
				return m, nil
			}
		}
		return m, err
	}
	if _, err := read("Welcome\x1b[2J\n\n{\"type\":\"saved\"}\n"); err != nil || !slices.Equal(told, []string{`Welcome\x1b[2J`, ""}) {
		t.Errorf("%v, %q", err, told)
	}
	if _, err := read("{\"type\":\"alive\"}\nWelcome\n{\"type\":\"saved\"}\n"); err == nil || len(told) > 0 {
		t.Errorf("in the middle: %v, %q", err, told)
	}
	if _, err := read(strings.Repeat("Welcome\n", maxChatter+1)); !errors.Is(err, fault.ErrInvalid) || len(told) != maxChatter {
		t.Errorf("without an end: %v, %d lines", err, len(told))
	}
}

// An error goes from host to host with its kind and its hints, and is safe to show.
func TestFailure(t *testing.T) {
	err := FailureOf(&fault.Error{Kind: fault.ErrNotPermitted, What: "no", Hint: "be root"}).Error("linux2")
	if !errors.Is(err, fault.ErrNotPermitted) || err.Error() != "linux2: no" || fault.Hints(err)[0] != "on linux2: be root" {
		t.Errorf("%v %q", err, fault.Hints(err))
	}
	hostile := (&Failure{What: "\x1b[2J", Hints: []string{"\x1b[2J"}}).Error("\x1b")
	if !fault.IsPrintable(hostile.Error()) || !fault.IsPrintable(fault.Hints(hostile)[0]) {
		t.Errorf("%q", hostile)
	}
	for _, k := range kinds { // the most exact of several
		if f := FailureOf(fmt.Errorf("no: %w", k.kind)); f.Kind != k.name || !errors.Is(f.Error("linux2"), k.kind) {
			t.Errorf("%s came as %q", k.name, f.Kind)
		}
	}
	var none *Failure
	if none.Error("linux2") == nil {
		t.Error("a failure without a reason is none")
	}
}

// linux1 and linux2 are two hosts as they greet.
func linux1() *Hello {
	return &Hello{Host: "linux1", Nets: []Net{{"eth0", want.CIDR("100.0.1.100/24"), true, false}, {"eth1", want.CIDR("10.10.1.1/24"), true, false}}}
}

func linux2() *Hello {
	return &Hello{Host: "linux2", Reached: want.Addr("100.0.2.100"), Nets: []Net{{"eth0", want.CIDR("100.0.2.100/24"), true, false}, {"eth0", want.CIDR("2001:db8:2::100/64"), true, false},
		{"eth1", want.CIDR("10.10.2.1/24"), true, false}, {"eth2", want.CIDR("10.99.0.1/24"), false, false}, {"gre7", want.CIDR("172.16.0.5/30"), true, true}}, Names: []string{"gre1"}}
}

// Open fields get values: addresses that are free at both ends, and routes to the networks behind.
func TestComplete(t *testing.T) {
	near, far := linux1(), linux2()
	near.Nets = append(near.Nets, Net{"br0", want.CIDR("172.16.0.0/29"), true, false})
	w := Wish{Near: nm.NewTunnel()}
	if _, err := w.Complete("linux2", near, far); err != nil {
		t.Fatal(err)
	}
	if w.Near.Remote != far.Reached || len(w.Near.Addresses) != 1 || w.Near.Addresses[0] != want.CIDR("172.16.0.9/30") || len(w.Near.Routes) != 1 || w.Near.Routes[0].String() != "10.10.2.0/24" {
		t.Errorf("%s", w.Near.CreateCommand())
	}
	w = Wish{Near: nm.NewTunnel(), Routed: true}
	w.Near.Mode = gre.ModeIP6GRE
	if _, err := w.Complete("linux2", near, far); err != nil || w.Near.Remote != want.Addr("2001:db8:2::100") || len(w.Near.Routes) != 0 {
		t.Errorf("%s, %v", w.Near.CreateCommand(), err)
	}
	near.Nets = append(near.Nets, Net{"eth5", want.CIDR("10.10.0.0/16"), true, false})
	w = Wish{Near: nm.NewTunnel()}
	notes, err := w.Complete("linux2", near, far)
	if err != nil || len(w.Near.Routes) != 0 || !strings.Contains(strings.Join(notes, "\n"), "no route to 10.10.2.0/24") {
		t.Errorf("a route to a network of this host: %q, %v", notes, err)
	}
	far.Reached = netip.Addr{}
	w = Wish{Near: nm.NewTunnel()}
	if _, err := w.Complete("linux2", near, far); !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(err.Error(), "peer: ") {
		t.Errorf("without an address: %v", err)
	}
}

// A further uplink of the far end gets no route into the tunnel, and a note says so.
func TestCompleteBesideAnUplink(t *testing.T) {
	near, far := linux1(), linux2()
	far.Nets = append(far.Nets, Net{"eth9", want.CIDR("100.0.9.100/24"), true, false})
	far.Uplinks = want.CIDRs("100.0.2.0/24", "100.0.9.0/24")
	w := Wish{Near: nm.NewTunnel()}
	notes, err := w.Complete("linux2", near, far)
	if err != nil {
		t.Fatal(err)
	}
	const says = "no route to 100.0.9.0/24 at linux2, an uplink there; where it is a LAN of yours, add --route 100.0.9.0/24"
	if len(w.Near.Routes) != 1 || w.Near.Routes[0].String() != "10.10.2.0/24" || !slices.Contains(notes, says) {
		t.Errorf("%s, %q", w.Near.CreateCommand(), notes)
	}
}

// An ssh by a jump host reaches a private address of the far end: its public one is taken, if it
// has one. A private one that this host has reached itself stays, and so does the only one.
func TestPeerBehindJumpHost(t *testing.T) {
	for name, c := range map[string]struct {
		client, want string
		lose         bool
	}{
		"by a jump host": {"10.10.2.7", "100.0.2.100", false}, "from here": {"100.0.1.100", "10.10.2.1", false},
		"from anywhere": {"", "10.10.2.1", false}, "without a public one": {"10.10.2.7", "10.10.2.1", true},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := linux1(), linux2()
			far.Reached = want.Addr("10.10.2.1")
			if c.client != "" {
				far.Client = want.Addr(c.client)
			}
			if c.lose {
				far.Nets = far.Nets[1:]
			}
			w := Wish{Near: nm.NewTunnel(), Routed: true}
			notes, err := w.Complete("linux2", near, far)
			if err != nil || w.Near.Remote != want.Addr(c.want) || strings.Contains(strings.Join(notes, "\n"), "not from here") != (c.want == "100.0.2.100") {
				t.Errorf("%s, %q, %v", w.Near.Remote, notes, err)
			}
		})
	}
}

// tunnel reads the flags of create.
func tunnel(t *testing.T, flags string) nm.Tunnel {
	t.Helper()
	got, err := ParseTunnel(Message{Command: "nmgre create " + flags})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// The far end's plan is the mirror, and can be read again.
func TestFar(t *testing.T) {
	near := tunnel(t, "--name gre1 --peer 100.0.2.100 --local 100.0.1.100 --address 172.16.0.1/30 --input-key 1 --output-key 2 --mtu 1400")
	mirror := near.FarEnd([]netip.Prefix{want.CIDR("10.10.1.0/24"), want.CIDR("10.10.2.0/25")})
	w := Wish{Near: near}
	m, notes, err := w.Far(mirror, near, linux2())
	if err != nil || !m.AnyName || len(notes) != 1 {
		t.Fatalf("%+v %q %v", m, notes, err)
	}
	got, err := ParseTunnel(m)
	if err != nil {
		t.Fatal(err)
	}
	if text := got.CreateCommand(); text != "nmgre create --peer 100.0.1.100 --local 100.0.2.100 --address 172.16.0.2/30 --input-key 2 --output-key 1 --mtu 1400 --route 10.10.1.0/24" {
		t.Errorf("%s", text)
	}
	for _, command := range []string{"", "reboot", "nmgre delete gre1", "nmgre create --peer 192.0.2.1 --address 172.16.0.1/30\nnmgre create --name gre9 --peer 192.0.2.2 --address 172.16.1.1/30",
		"nmgre create --peer 192.0.2.1 --address 172.16.0.1/30 --routes-from /etc/shadow", "nmgre create --peer gw.example.org --address 172.16.0.1/30", "nmgre create --peer 192.0.2.1 --address 172.16.0.1/30 && reboot"} {
		if _, err := ParseTunnel(Message{Command: command}); err == nil {
			t.Errorf("%q is taken", command)
		}
	}
}

// An end that is mended keeps the settings that do not concern the other end.
func TestMend(t *testing.T) {
	has := tunnel(t, "--name wan --peer 100.0.1.100 --address 172.16.9.2/30 --key 5 --route 10.77.0.0/16 --zone work")
	mirror := tunnel(t, "--name gre1 --peer 100.0.1.100 --local 100.0.2.100 --address 172.16.0.2/30 --key 6 --route 10.10.1.0/24")
	Mend(&has, mirror)
	if text := has.CreateCommand(); !strings.Contains(text, "--name wan") || !strings.Contains(text, "--key 6") || !strings.Contains(text, "--zone work") ||
		!strings.Contains(text, "--route 10.77.0.0/16 --route 10.10.1.0/24") || !strings.Contains(text, "172.16.0.2/30") || strings.Contains(text, "172.16.9.2") {
		t.Errorf("%s", text)
	}
	again := has.Clone()
	Mend(&again, mirror)
	if len(nm.Diff(has, again)) != 0 {
		t.Errorf("a second time it changes %v", nm.Diff(has, again))
	}
}

// healthy are the views of two ends between which all is well.
func healthy() (near, far View) {
	out, back := Seal{From: want.Addr("100.0.1.100"), To: want.Addr("100.0.2.100")}, Seal{From: want.Addr("100.0.2.100"), To: want.Addr("100.0.1.100")}
	near = View{Found: true, Name: "gre1", Up: true, Mode: "gre", Local: out.From, Remote: out.To, Inner: want.CIDRs("172.16.0.1/30"), Peer: want.Addr("172.16.0.2"),
		Sent: []Seal{out}, Arrived: []Seal{back}, Accepted: []Seal{back}, Probed: 1, Answered: 1}
	far = View{Found: true, Name: "gre1", Up: true, Mode: "gre", Local: out.To, Remote: out.From, Inner: want.CIDRs("172.16.0.2/30"), Peer: want.Addr("172.16.0.1"),
		Sent: []Seal{back}, Arrived: []Seal{out}, Accepted: []Seal{out}, Probed: 1, Answered: 1}
	return near, far
}

// The judgement names the direction and the culprit.
func TestJudge(t *testing.T) {
	mute := func(near, far *View) { near.Answered, far.Answered = 0, 0 }
	for name, c := range map[string]struct {
		fault func(near, far *View)
		id    string
		place Place
	}{
		"all is well":            {func(*View, *View) {}, "", ""},
		"key":                    {func(n, f *View) { mute(n, f); f.Input, f.Output = "7", "7" }, "key", FarEnd},
		"one key":                {func(n, f *View) { mute(n, f); f.Input = "7" }, "key", FarEnd},
		"no tunnel":              {func(n, f *View) { mute(n, f); *f = View{Arrived: f.Arrived, Accepted: f.Accepted} }, "there", FarEnd},
		"down there":             {func(n, f *View) { mute(n, f); f.Up, f.Probed, f.Sent = false, 0, nil }, "there", FarEnd},
		"down here":              {func(n, f *View) { mute(n, f); n.Up, n.Probed, n.Sent = false, 0, nil }, "there", Here},
		"own firewall out":       {func(n, f *View) { mute(n, f); n.Sent, f.Arrived, f.Accepted = nil, nil, nil }, "to linux2", OwnFirewall},
		"path out":               {func(n, f *View) { mute(n, f); f.Arrived, f.Accepted = nil, nil }, "to linux2", Way},
		"far firewall in":        {func(n, f *View) { mute(n, f); f.Accepted = nil }, "to linux2", FarFirewall},
		"far firewall out":       {func(n, f *View) { mute(n, f); f.Sent, n.Arrived, n.Accepted = nil, nil, nil }, "from linux2", FarFirewall},
		"path back":              {func(n, f *View) { mute(n, f); n.Arrived, n.Accepted = nil, nil }, "from linux2", Way},
		"own firewall in":        {func(n, f *View) { mute(n, f); n.Accepted = nil }, "from linux2", OwnFirewall},
		"inner address there":    {func(n, f *View) { mute(n, f); f.Inner = want.CIDRs("172.16.0.6/30") }, "inner", FarEnd},
		"inner address of ours":  {func(n, f *View) { mute(n, f); f.Peer = want.Addr("172.16.0.9") }, "inner", FarEnd},
		"another mode":           {func(n, f *View) { mute(n, f); f.Mode = "gretap" }, "outer", FarEnd},
		"another outer address":  {func(n, f *View) { mute(n, f); f.Remote = want.Addr("192.0.2.9") }, "outer", FarEnd},
		"inner firewall there":   {func(n, _ *View) { n.Answered = 0 }, "answers", FarFirewall},
		"inner firewall of ours": {func(_, f *View) { f.Answered = 0 }, "answers", OwnFirewall},
	} {
		near, far := healthy()
		c.fault(&near, &far)
		list := Judge(near, far, "linux2")
		at := slices.IndexFunc(list, func(f Finding) bool { return !f.OK && !f.Skipped })
		if c.id == "" {
			if at >= 0 {
				t.Errorf("%s: %+v", name, list[at])
			}
			continue
		}
		if at < 0 || list[at].ID != c.id || list[at].Place != c.place || list[at].Hint == "" || !list[at].Proved && c.id != "answers" {
			t.Errorf("%s: %+v", name, list)
		}
	}
}

// An end that could not listen proves nothing about packets that were not heard.
func TestJudgeDeaf(t *testing.T) {
	near, far := healthy()
	near.Answered, far.Answered = 0, 0
	far.Deaf, far.Sent, far.Arrived, far.Accepted = true, nil, nil, nil
	near.Arrived, near.Accepted = nil, nil
	for _, f := range Judge(near, far, "linux2") {
		if !f.OK && !f.Skipped && f.Proved {
			t.Errorf("%+v", f)
		}
	}
}

// FuzzMessage reads messages that the other end may send. One that is taken is within its bounds,
// and is written again.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"type":"hello","hello":{"protocol":1,"nets":[{"dev":"eth0","address":"192.0.2.1/24","up":true}],"names":["gre1"],"ends":[{"name":"gre1","local":"192.0.2.1","remote":"192.0.2.2"}]}}`))
	f.Add([]byte(`{"type":"plan","command":"nmgre create --peer 192.0.2.1 --address 172.16.0.1/30 --route '10.0.0.0/8 metric 5'"}`))
	f.Add([]byte(`{"type":"seen","view":{"found":true,"mode":"gre","input_key":"5","sent":[{"from":"192.0.2.1"}]}}`))
	f.Add([]byte(`{"type":"failed","failure":{"kind":"invalid","what":"x","hints":["y"]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := Parse(line)
		if err != nil {
			return
		}
		if err := Write(io.Discard, m); err != nil {
			t.Error(err)
		}
		if m.Type == Plan {
			if tunnel, err := ParseTunnel(m); err == nil && tunnel.Name != "" && tunnel.Validate() != nil {
				t.Errorf("%q is no tunnel", m.Command)
			}
		}
		if m.Failure != nil && !fault.IsPrintable(m.Failure.Error("h").Error()[:min(len(m.Failure.Error("h").Error()), 100)]) {
			t.Errorf("%q", m.Failure.Error("h"))
		}
		if m.View != nil {
			near, _ := healthy()
			_ = Judge(near, *m.View, "h")
		}
		if m.Hello != nil && m.Type == Greeting {
			w := Wish{Near: nm.NewTunnel()}
			_, _ = w.Complete("h", linux1(), m.Hello)
		}
	})
}
