package tui

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/tui/tuitest"
)

// NetworkManager goes and comes back: the last state stays, nothing can be changed meanwhile and
// says why, and the view recovers by itself.
func TestNetworkManagerGoesAndComesBack(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{Color: true})
	f.ListErr = &fault.Error{Kind: fault.ErrNoNetworkManager, What: "NetworkManager is not running"}
	d.take(noticeMsg{Notice: nmgre.Notice{Lost: true}})
	d.must("NetworkManager has gone", "gre1", "gre2")
	if rows, _ := d.m.draw(); !strings.Contains(strings.Join(rows, ""), "\x1b[2m gre2") {
		t.Error("the last state is not greyed")
	}
	d.keys("u").must("u: NetworkManager has gone; nmgre waits for it")
	d.keys("n").must("n: NetworkManager has gone")
	d.take(noticeMsg{Notice: nmgre.Notice{Links: true}}) // of the kernel, meanwhile
	d.must("NetworkManager has gone")
	f.ListErr = &fault.Error{Kind: fault.ErrNoNetworkManager, What: "NetworkManager is still starting"}
	d.take(noticeMsg{Notice: nmgre.Notice{Back: true}})
	d.must("NetworkManager is still starting", "gre1")
	f.ListErr, f.Tunnels = nil, f.Tunnels[:2]
	d.take(noticeMsg{Notice: nmgre.Notice{Profiles: true}})
	d.must("NetworkManager 1.42.4", "gre2").mustNot("has gone", "paris")
}

// The screen says when it hears nothing of the kernel any more, and reads the list all the same.
func TestKernelIsNotHeard(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	f.Tunnels = f.Tunnels[:1]
	d.take(noticeMsg{Notice: nmgre.Notice{Links: true, Routes: true, Deaf: true}})
	d.must("the kernel's notices do not arrive", "ctrl+r", "gre1").mustNot("gre2")
	d.take(noticeMsg{Notice: nmgre.Notice{Links: true, Routes: true, Hears: true}})
	d.must("the kernel's notices arrive again").mustNot("do not arrive")
}

// A reading that was under way when NetworkManager went does not hide a later note.
func TestLateAnswerWhileNetworkManagerIsAway(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	f.ListErr = &fault.Error{Kind: fault.ErrNoNetworkManager, What: "NetworkManager is not running"}
	d.hold = true
	d.keys("ctrl+r")
	d.take(noticeMsg{Notice: nmgre.Notice{Lost: true}})
	d.keys("u").must("u: NetworkManager has gone; nmgre waits for it")
	d.hold = false
	for _, late := range d.held {
		d.take(late)
	}
	if len(d.held) == 0 {
		t.Fatal("nothing was under way")
	}
	d.must("u: NetworkManager has gone; nmgre waits for it", "gre1")
}

// After a failed reading the last list stays.
func TestReadingFails(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	f.ListErr = tuitest.ErrDenied
	d.keys("ctrl+r").must("gre1", "NetworkManager does not let you do that (run it with sudo)")
	f = tuitest.New()
	f.ListErr = tuitest.ErrDenied
	openFake(t, f, Options{}).must("the tunnels could not be read", "does not let you do that")
}

// A change that is denied says so, and nothing else changes.
func TestPermissionDenied(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.Err = tuitest.ErrDenied
	d := openFake(t, f, Options{})
	d.keys("j", "j", "u").must("NetworkManager does not let you do that", "inactive")
	d.keys("z").must("z: nmgre has changed nothing since it was started")
}

// A call that hangs can be cancelled, and its late answer is dropped.
func TestHangingCall(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	d.keys("j", "j")
	d.hold = true
	d.keys("u")
	d.must("bring paris-backup up …")
	d.keys("n").must("n: wait until nmgre has done this: bring paris-backup up (esc stops it)")
	d.keys("q").must("not while nmgre is about to bring paris-backup up")
	d.keys("esc").must("stopping: everything is undone; esc again to wait no longer")
	d.keys("esc").must("no longer waiting: bring paris-backup up")
	late := d.held
	d.held, d.hold = nil, false
	for _, msg := range late {
		d.take(msg)
	}
	d.mustNot("paris-backup is up") // the late answer
	d.keys("z").must("changed nothing")
}

// One answer that is late for a tunnel that is no longer chosen changes nothing on the screen.
func TestLateAnswerForAnotherTunnel(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	d.hold = true
	d.keys("v")
	d.hold = false
	d.keys("j", "1")
	for _, msg := range d.held {
		d.take(msg)
	}
	if r := d.m.detail.checks.Report; r != nil && r.Tunnel != "gre2" {
		t.Error("gre2 shows gre1's checks")
	}
}

// Names from outside do not act on the screen: control characters are escaped, wide characters take
// their two cells, and every row stays as wide as the screen.
func TestHostileNames(t *testing.T) {
	f := tuitest.New()
	for i, name := range []string{"a\x1b[2Jb", "隧道隧道隧道隧道", "e\u0301e\u0301", "\u202egnp.exe", "tab\there", "\xff\xfe", strings.Repeat("x", 300), "👩‍👩‍👧‍👦"} {
		tun := tuitest.Tunnel(name, i+1)
		f.Add(tun, nm.StateActive)
	}
	for _, size := range [][2]int{{80, 24}, {120, 40}, {40, 15}, {20, 6}} {
		d := drive(t, f, Options{}, size[0], size[1])
		for range f.Tunnels {
			for _, key := range []string{"1", "y", "2", "3", "y", "4", "y", "5", "y", "6", "y", "enter", "?", "esc", "x", "n", "esc", "j"} {
				d.keys(key)
				if strings.ContainsAny(d.copy, "\x1b\t\r\x00\u202e") {
					t.Fatalf("a name acts on the shell that it is pasted into: %q", d.copy)
				}
				screen := d.screen()
				if strings.ContainsAny(strings.ReplaceAll(screen, "\n", ""), "\x1b\t\r\x00\u202e") {
					t.Fatalf("a name acts on the screen: %q", screen)
				}
			}
		}
	}
}

// Two hundred tunnels scroll, page and filter.
func TestManyTunnels(t *testing.T) {
	f := tuitest.New()
	for i := range 200 {
		f.Add(tuitest.Tunnel(fmt.Sprintf("gre%d", i+1), i+1), nm.StateActive)
	}
	d := openFake(t, f, Options{})
	d.must("gre1 ", "1 of 200")
	d.keys("end").must("▸● gre200", "200 of 200")
	d.keys("pgup").must("▸● gre182")
	d.keys("home").must("▸● gre1 ")
	d.keys("/", "=gre19 ").must("1 of 1")
	d.keys("backspace", "enter").must("1 of 11", "▸● gre19 ")
	d.keys("esc").must("of 200")
}

// A list that becomes shorter keeps something chosen.
func TestTunnelVanishes(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	d.keys("j", "j")
	f.Tunnels = append(f.Tunnels[:2:2], f.Tunnels[3:]...)
	d.take(noticeMsg{Notice: nmgre.Notice{Profiles: true}})
	d.must("▸◇ byhand").mustNot("paris")
	f.Tunnels = nil
	d.take(noticeMsg{Notice: nmgre.Notice{Profiles: true}})
	d.must("no tunnels yet", "Press n to make the first one")
}

// A tunnel that was made by hand can be looked at and copied, not changed; each key says so.
func TestExternalTunnel(t *testing.T) {
	d := openFake(t, tuitest.New().WithTunnels(), Options{})
	for _, key := range []string{"e", "u", "d", "x"} {
		d.keys("home", "j", "j", "j", key).must(key + ": byhand was made by hand: a makes a profile of it (adopt)")
	}
}

// Deleting asks first, and names everything that is lost. Undo makes the tunnel again.
func TestDeleteAndUndo(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	d.keys("x").must("Delete gre1?", "the profile gre1, and gre1 to 100.0.2.100", "172.16.100.1/30", "1 route: 10.10.100.0/24", "Its traffic stops at once")
	d.keys("n").must("gre1")
	d.keys("x", "y").must("gre1 is deleted; z makes it again").mustNot("▸● gre1 ")
	d.keys("z", "y").must("undone: nmgre deleted gre1")
	if !f.Saw("create nmgre create --name gre1 --peer 100.0.2.100") {
		t.Errorf("calls: %q", f.Calls)
	}
}

func TestDownAndUp(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	d.keys("d").must("Take gre1 down?", "packets to 10.10.100.0/24 no longer go through it")
	d.keys("y").must("gre1 is down", "○ gre1")
	d.keys("d").must("d: gre1 is down already")
	d.keys("z", "y").must("● gre1")
	d.keys("6", "enter").must("✓ took it down (12ms)", "$ nmcli connection down")
}

// seat is the session of a person at another host.
func seat(client string) nmgre.Session { return nmgre.Session{Client: tuitest.Addr(client)} }

// found finds s, as an option of the screens.
func found(s nmgre.Session) func() nmgre.Session { return func() nmgre.Session { return s } }

// A change that may cut the person's own connection says so, and is undone unless it is confirmed.
func TestChangeThatMayCutOff(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.ClientOn, f.Guarded = "gre1", seat("192.0.2.99")
	d := openFake(t, f, Options{Session: found(seat("192.0.2.99")), Confirm: 20 * time.Second})
	d.keys("d").must("You are connected from 192.0.2.99", "leads through what is changed", "confirm within 20s")
	d.keys("y").must("Keep it?", "In 20 seconds nmgre will bring gre1 up by itself")
	c := d.m.screens[0].(*countdown)
	c.now = func() time.Time { return time.Now().Add(8 * time.Second) }
	d.must("In 12 seconds")
	d.keys("n").settle().must("not confirmed, so undone: nmgre took gre1 down")
	if f.Tunnels[0].State != nm.StateActive {
		t.Error("it has not been undone")
	}
	d.keys("d", "y", "y").settle().must("gre1 is down")
	if f.Tunnels[0].State != nm.StateInactive {
		t.Error("it has been undone though it was confirmed")
	}
}

// The person's session is looked for when a change needs it, and once. The first frame does not
// wait for it.
func TestSessionIsFoundOnce(t *testing.T) {
	f := tuitest.New().WithTunnels()
	looks := 0
	d := openFake(t, f, Options{Session: func() nmgre.Session { looks++; return seat("192.0.2.99") }})
	if d.must("gre1"); looks != 0 {
		t.Errorf("%d looks before the first frame", looks)
	}
	d.keys("d", "esc", "d")
	if looks != 1 {
		t.Errorf("%d looks", looks)
	}
}

// Nobody confirms: the change is undone in time, by its own goroutine. The main loop, which stands
// still here, is not needed.
func TestNobodyConfirms(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.ClientOn, f.Guarded = "gre1", seat("192.0.2.99")
	d := openFake(t, f, Options{Session: found(seat("192.0.2.99")), Confirm: 300 * time.Millisecond})
	d.keys("d").must("this may cut you off")
	d.keys("y").must("Keep it?")
	for end := time.Now().Add(5 * time.Second); !f.Saw("undo down "); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it has not been undone")
		}
	}
	d.settle().must("undone: nmgre took gre1 down").mustNot("Keep it?")
}

// The guard stands in everything that changes something, whether there was a warning or not.
func TestEveryChangeIsGuarded(t *testing.T) {
	for name, tc := range map[string]struct {
		keys []string
		undo string
	}{
		"up":              {[]string{"u"}, "undo up "},
		"down":            {[]string{"u", "keep", "d", "y"}, "undo down "},
		"delete":          {[]string{"u", "keep", "x", "y"}, "undo down "},
		"undo of up":      {[]string{"u", "keep", "z", "y"}, "undo down "},
		"undo of down":    {[]string{"u", "keep", "d", "y", "keep", "z", "y"}, "undo up "},
		"undo of deleted": {[]string{"u", "keep", "x", "y", "keep", "z", "y"}, "undo create "},
		"edit":            {[]string{"u", "keep", "e", "ctrl+n", "ctrl+n", "down", "down", "down", "down", "ctrl+u", "=1400", "ctrl+s", "enter"}, "undo edit "},
		"new":             {[]string{"n", "tab", "=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "=192.0.2.0/24", "ctrl+s", "enter"}, "undo create "},
	} {
		for _, answer := range []string{"n", "y"} {
			f := tuitest.New().WithTunnels()
			f.Guarded.Client = tuitest.Addr("192.0.2.99")
			f.Tunnels[2].Tunnel.Routes[0].Dst = tuitest.Prefix("192.0.2.0/24")
			d := openFake(t, f, Options{Session: found(f.Guarded)})
			d.keys("j", "j")
			for _, key := range tc.keys {
				if key == "keep" {
					d.must("Keep it?").keys("y").settle()
					continue
				}
				d.keys(key)
			}
			d.must("Keep it?").keys(answer).settle().mustNot("Keep it?")
			if f.Saw(tc.undo) != (answer == "n") {
				t.Errorf("%s: the answer %s: it called %q", name, answer, f.Calls)
			}
		}
	}
}

// A change may wait to be confirmed for as long as --confirm says.
func TestConfirmHasItsTime(t *testing.T) {
	d := openFake(t, tuitest.New(), Options{Confirm: time.Hour})
	op := &operation{name: "wait", asks: &undo{}}
	d.run(change(d.m, op, func(ctx context.Context, _ Workflow) (time.Time, error) {
		until, _ := ctx.Deadline()
		return until, nil
	},
		func(until time.Time, _ error) tea.Cmd {
			if left := time.Until(until); left < time.Hour {
				t.Errorf("it has only %s", left)
			}
			return nil
		}))
}

// A key that was pressed before the question was there does not confirm.
func TestTypedAhead(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.ClientOn, f.Guarded = "gre1", seat("192.0.2.99")
	d := openFake(t, f, Options{Session: found(seat("192.0.2.99"))})
	d.keys("d", "y").must("Keep it?")
	d.m.screens[0].(*countdown).asked = time.Now()
	d.keys("y").must("Keep it?", "y: pressed before the question was there")
	d.keys("n").settle().must("undone: nmgre took gre1 down")
}

// An edit that may cut off waits, applied but not on disk, for the confirmation.
func TestEditThatMayCutOff(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.ClientOn, f.Guarded = "gre1", seat("192.0.2.99")
	for _, tc := range []struct {
		answer string
		want   uint32
	}{{"n", 1476}, {"y", 1400}} {
		d := openFake(t, f, Options{Session: found(seat("192.0.2.99"))})
		d.keys("e", "ctrl+n", "ctrl+n", "down", "down", "down", "down", "ctrl+u", "=1400", "ctrl+s").must("You are connected from 192.0.2.99")
		d.keys("enter").must("Keep it?")
		d.keys(tc.answer).settle().mustNot("Keep it?")
		if got := f.Tunnels[0].Tunnel.MTU; got != tc.want {
			t.Errorf("%s: mtu %d, want %d", tc.answer, got, tc.want)
		}
	}
}

// So does a new tunnel whose routes lead to where the person is.
func TestNewTunnelThatMayCutOff(t *testing.T) {
	f := tuitest.New()
	f.Guarded = seat("10.20.0.5")
	d := openFake(t, f, Options{Session: found(f.Guarded)})
	d.keys("n", "tab", "=100.0.2.7", "ctrl+n", "ctrl+n", "ctrl+n", "=10.20.0.0/16", "ctrl+s").must("the way there leads through what is changed")
	d.keys("enter").must("Keep it?", "nmgre made gre1")
	d.keys("n").settle().must("it was not confirmed")
	if len(f.Tunnels) != 0 {
		t.Error("it has not been undone")
	}
}

// Where a password may be asked for, and there alone, the terminal is not drawn on.
func TestPromptsGetTheTerminal(t *testing.T) {
	for _, tc := range []struct {
		asks, rootAsks, root, alone bool
	}{{true, false, false, true}, {false, true, true, true}, {false, true, false, false}, {false, false, true, false}} {
		d := openFake(t, tuitest.New(), Options{})
		d.m.prompts, d.m.rootAsks = tc.asks, tc.rootAsks
		op := &operation{name: "change it", root: tc.root}
		d.run(change(d.m, op, func(context.Context, Workflow) (int, error) { return 0, nil }, func(int, error) tea.Cmd { return nil }))
		if alone := d.m.listener(op).Alone; alone != tc.alone || op.alone != tc.alone {
			t.Errorf("%+v: the terminal is lent: %v", tc, alone)
		}
	}
}

// A resize at any moment draws rows that fit, on every screen.
func TestResize(t *testing.T) {
	f := tuitest.New().WithTunnels()
	for _, keys := range [][]string{{}, {"enter"}, {"3"}, {"v"}, {"?"}, {"x"}, {"n"}, {"n", "tab", "=100.0.2.7", "ctrl+n", "ctrl+n"}, {"n", "tab", "=100.0.2.7", "ctrl+s"}, {"/", "=gre"}} {
		d := openFake(t, f, Options{})
		d.keys(keys...)
		for _, size := range [][2]int{{200, 60}, {63, 20}, {64, 20}, {99, 9}, {40, 15}, {21, 6}, {20, 6}, {80, 24}} {
			d.take(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			d.screen()
		}
		d.take(tea.WindowSizeMsg{Width: 10, Height: 3})
		if rows, _ := d.m.draw(); len(rows) != 3 {
			t.Errorf("%d rows", len(rows))
		}
	}
}

// A window that is too small says so whole, in words that are not cut, with the remedy.
func TestSmallWindow(t *testing.T) {
	for _, size := range [][2]int{{20, 24}, {20, 12}, {39, 15}, {80, 5}} {
		d := drive(t, tuitest.New().WithTunnels(), Options{}, size[0], size[1])
		text := strings.Join(strings.Fields(d.screen()), " ")
		for _, want := range []string{fmt.Sprintf("this window is %d by %d, too small", size[0], size[1]), "40 by 15", "nmgre --plain"} {
			if !strings.Contains(text, want) {
				t.Errorf("%v: it does not say %q: %q", size, want, text)
			}
		}
		d.take(tea.WindowSizeMsg{Width: 80, Height: 24})
		d.must("gre1")
	}
}

// A person who may change nothing is told so at once, with the remedy.
func TestWithoutRights(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.Modify = nm.PermissionNo
	drive(t, f, Options{}, 100, 30).must("NetworkManager does not let you change connections: run nmgre with sudo")
}

// A crash ends the program in good order, and its report is in a file that only its owner can read.
func TestFaultOfOurOwn(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	d.take(wakeMsg{func() tea.Cmd { panic("a fault for the test") }})
	if !d.quit || d.m.crash == nil {
		t.Fatal("the program goes on")
	}
	checkReport(t, d.m.crash)
	d = openFake(t, f, Options{})
	d.run(read(d.m, "read", func(context.Context, Workflow) (int, error) { panic("a fault for the test") }, func(int, error) tea.Cmd { return nil }))
	if !d.quit || d.m.crash == nil {
		t.Fatal("the program goes on after a fault beside the screen")
	}
	checkReport(t, d.m.crash)
}

func checkReport(t *testing.T, c *crash) {
	t.Helper()
	text, err := os.ReadFile(c.report)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "a fault for the test") || !strings.Contains(string(text), "faults_test.go") {
		t.Errorf("the report does not say where it was:\n%s", text)
	}
	if info, err := os.Stat(c.report); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the report has mode %v (%v)", info.Mode(), err)
	}
	if !strings.Contains(c.Error(), c.report) {
		t.Errorf("the error does not name the report: %s", c.Error())
	}
}

// The mouse counts only where it was asked for.
func TestMouse(t *testing.T) {
	d := openFake(t, tuitest.New().WithTunnels(), Options{})
	click := tea.MouseClickMsg{X: 5, Y: 3, Button: tea.MouseLeft}
	d.take(click)
	d.must("▸● gre1")
	if v := d.m.View(); v.MouseMode != tea.MouseModeNone {
		t.Error("the mouse is taken without being asked for")
	}
	d.keys("m")
	d.take(click)
	d.must("▸● gre2")
	d.take(tea.MouseWheelMsg{X: 5, Y: 3, Button: tea.MouseWheelDown})
	d.must("▸◐ gre6")
	d.take(tea.MouseClickMsg{X: 41, Y: 2, Button: tea.MouseLeft})
	d.must("gre6")
	if v := d.m.View(); v.MouseMode != tea.MouseModeCellMotion {
		t.Error("the mouse is not taken though it was asked for")
	}
}

// The command of the overview makes the whole tunnel, with root's part. Its words are a shell's,
// and so are those of a name that begins like a flag.
func TestCopiesTheWholeTunnel(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.KeepSome()
	f.Tunnels[0].Tunnel.Name = "-it's;x"
	d := openFake(t, f, Options{})
	for _, tc := range [][2]string{
		{"1", `nmgre create --name '-it'\''s;x' --peer 100.0.2.100 --local 100.0.1.100 --address 172.16.100.1/30 --mtu 1476 --route 10.10.100.0/24 --route 10.30.0.0/16 --snat 10.10.100.0/24=masquerade --forward --clamp-mss`},
		{"3", `nmgre route list -- '-it'\''s;x'`}, {"4", `nmgre verify -- '-it'\''s;x'`},
	} {
		if d.keys(tc[0], "y"); d.copy != tc[1] {
			t.Errorf("%s: copied %s", tc[0], d.copy)
		}
	}
}
