package asroot

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/keep/format"
)

const uuid = "8fc1c7d4-5a0c-4f7e-9d0a-2f0b8a3c1d2e"

// kept makes a Kept with n routes.
func kept(t testing.TB, n int) keep.Kept {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "version 1\nuuid %s\ninterface gre1\nremote 100.0.2.100\ninner 172.16.0.0/30\nsnat 10.10.2.0/24 masquerade\nforward gre1 eth1\n", uuid)
	for i := range n {
		fmt.Fprintf(&text, "route 10.%d.%d.%d/32 nexthop via 172.16.0.2 nexthop dev gre2 weight 2\n", i>>16&255, i>>8&255, i&255)
	}
	k, err := format.Parse(strings.NewReader(text.String()))
	if err != nil || len(k.Bad) > 0 {
		t.Fatal(err, k.Bad)
	}
	return k
}

// The request reaches the helper unchanged, and its answer comes back. The caller's environment is
// not passed on.
func TestKeeperRunsTheHelper(t *testing.T) {
	t.Setenv("LANG", "de_DE.UTF-8")
	t.Setenv("LC_ALL", "../../evil")
	t.Setenv("LD_PRELOAD", "/tmp/evil.so")
	t.Setenv("SHELL", "/no/shell")
	k := keeper(t, "tell")
	k.NoTerminal = true
	var steps [][2]int
	want := kept(t, 2)
	want.Stamp = "1-2-3-4"
	c, err := k.Keep(t.Context(), want, func(done, total int) { steps = append(steps, [2]int{done, total}) })
	if err != nil {
		t.Fatal(err)
	}
	if got := [][2]int{{1, 2}, {2, 2}}; !slices.Equal(steps, got) {
		t.Errorf("progress %v", steps)
	}
	if r := c.Routes; !c.Changed || len(r.Added) != 2 || len(r.Replaced) != 1 || r.Unchanged != 3 || r.Removed != 4 {
		t.Errorf("%+v", c)
	}
	if len(c.Trouble) < 5 || c.Trouble[0] != "--disable-internal-agent" || c.Trouble[1] != "gre1 routes SNAT forwarding" || c.Trouble[2] != "keep" || c.Trouble[4] != fmt.Sprintf("%v", want) {
		t.Errorf("the helper got %q", c.Trouble)
	}
	env := slices.Sorted(slices.Values(c.Trouble[5:]))
	if !slices.Equal(env, []string{"LANG=de_DE.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}) {
		t.Errorf("environment %q", env)
	}
	if c, err := k.Converge(t.Context(), ""); err != nil || c.Trouble[1] != "all-tunnels converge" {
		t.Errorf("converge: %q, %v", c.Trouble, err)
	}
	if err := k.Forget(t.Context(), uuid); err != nil {
		t.Error(err)
	}
}

// Several megabytes go to the helper.
func TestKeeperManyRoutes(t *testing.T) {
	c, err := keeper(t, "tell").Keep(t.Context(), kept(t, 100_000), nil)
	if err != nil || !c.Changed {
		t.Error(err)
	}
}

// An empty Kept is forgotten. It is no error when nothing is kept.
func TestKeeperForgets(t *testing.T) {
	c, err := keeper(t, "gone").Keep(t.Context(), keep.Kept{UUID: uuid, Name: "gre1"}, nil)
	if err != nil || c.Changed {
		t.Error(c, err)
	}
	if _, err := keeper(t, "gone").Converge(t.Context(), ""); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("converge: %v", err)
	}
}

// The errors of the helper's Keeper come back unchanged: kinds, fields, words and hints.
func TestKeeperBringsErrorsBack(t *testing.T) {
	c, err := keeper(t, "kernel").Keep(t.Context(), kept(t, 2), nil)
	if !errors.Is(err, fault.ErrInvalid) || errors.Is(err, fault.ErrLeftBehind) || err.Error() != "route: 10.1.0.0/16: no such device\nand 3 more" {
		t.Errorf("%v", err)
	}
	if !slices.Equal(fault.Hints(err), []string{"look"}) {
		t.Errorf("hints %q", fault.Hints(err))
	}
	if len(c.Refused) != 1 || c.Refused[0].Index != 1 || c.Refused[0].Err.Error() != "no such device" {
		t.Errorf("refused %+v", c.Refused)
	}
}

// Each way in which the helper does not start, or does not finish, has an error of its own. It is
// ErrNotPermitted where polkit was the reason, and ErrLeftBehind only where something can be left.
func TestKeeperWithoutAnAnswer(t *testing.T) {
	for _, c := range []struct {
		role         string
		notPermitted bool
		leftBehind   bool
		words, hint  string
	}{
		{"dismiss", true, false, "not given: Request dismissed", fault.HintRoot},
		{"refuse", true, false, "not given: No authentication agent found.", fault.HintRoot},
		{"hostile", true, false, `not given: \x1b[2Jno\u202e`, fault.HintRoot},
		{"crash", false, false, "did not start: exit status 2: panic: at once", fault.HintRoot},
		{"garbage", false, true, "cannot be understood", ""},
		{"twice", false, true, "cannot be understood: something follows the end", ""},
		{"endless", false, true, "cannot be understood", ""},
		{"die", false, true, "ended too early: panic: in the middle", ""},
	} {
		t.Run(c.role, func(t *testing.T) {
			begin := time.Now()
			_, err := keeper(t, c.role).Keep(t.Context(), kept(t, 1), nil)
			if err == nil || errors.Is(err, fault.ErrNotPermitted) != c.notPermitted || errors.Is(err, fault.ErrLeftBehind) != c.leftBehind || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v", err)
			}
			if hint := strings.Join(fault.Hints(err), "; "); hint != c.hint {
				t.Errorf("hint %q", hint)
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// When the context ends, a pkexec that still asks is ended, and a working helper undoes its
// changes. A process that does neither is given up in time.
func TestKeeperInterrupted(t *testing.T) {
	for _, c := range []struct {
		role       string
		leftBehind bool
		words      string
		within     time.Duration
	}{
		{"ask", false, "ask for root's rights", time.Second},
		{"stubborn", false, "ask for root's rights", endTimeout + time.Second},
		{"work", false, "interrupted", time.Second},
		{"deaf", true, "does not finish", 3 * time.Second},
	} {
		t.Run(c.role, func(t *testing.T) {
			t.Parallel()
			k := keeper(t, c.role)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(500*time.Millisecond, cancel)
			begin := time.Now()
			got, err := k.Keep(ctx, kept(t, 1), nil)
			if !errors.Is(err, context.Canceled) || errors.Is(err, fault.ErrLeftBehind) != c.leftBehind || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v", err)
			}
			if c.role == "work" && !slices.Equal(got.Trouble, []string{"took back"}) {
				t.Errorf("%+v", got)
			}
			if took := time.Since(begin) - 500*time.Millisecond; took > c.within {
				t.Errorf("it took %s", took)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := keeper(t, "ask").Converge(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted already: %v", err)
	}
}

// Nobody is asked where it would be in vain, and the error says why.
func TestMayKeep(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(k *Keeper)
		want string
	}{
		{"all there", func(*Keeper) {}, ""},
		{"no pkexec", func(k *Keeper) { k.Pkexec = "/nonexistent/pkexec" }, "/nonexistent/pkexec is not installed"},
		{"no policy", func(k *Keeper) { k.Policy += ".not" }, "is not installed"},
		{"another program's policy", func(k *Keeper) { k.Exe = "/home/ann/nmgre" }, "polkit knows another nmgre, /role/tell, not /home/ann/nmgre"},
		{"no program", func(k *Keeper) { k.Exe = "" }, "cannot find out"},
		{"no XML", func(k *Keeper) { rewrite(t, k.Policy, "<policyconfig") }, "polkit does not know nmgre"},
		{"no action", func(k *Keeper) { rewrite(t, k.Policy, "<policyconfig></policyconfig>") }, "has no action org.nmgre.keep"},
		{"endless", func(k *Keeper) { k.Policy = "/dev/zero" }, "polkit does not know nmgre"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := keeper(t, "tell")
			c.set(k)
			err := k.MayKeep()
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, fault.ErrNotPermitted) || !strings.Contains(err.Error(), c.want) || !slices.Equal(fault.Hints(err), []string{fault.HintRoot}) {
				t.Errorf("%v, hints %q", err, fault.Hints(err))
			}
			if err := k.Forget(t.Context(), uuid); !errors.Is(err, fault.ErrNotPermitted) {
				t.Errorf("forget: %v", err)
			}
		})
	}
}

func rewrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The installed policy demands an administrator. The permission is remembered for a while only
// where a person sits.
func TestPolicyFile(t *testing.T) {
	text, err := os.ReadFile("../../cmd/nmgre/polkit/org.nmgre.policy.in")
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Actions []struct {
			ID       string `xml:"id,attr"`
			Message  string `xml:"message"`
			Any      string `xml:"defaults>allow_any"`
			Inactive string `xml:"defaults>allow_inactive"`
			Active   string `xml:"defaults>allow_active"`
		} `xml:"action"`
	}
	if err := xml.Unmarshal(text, &policy); err != nil || len(policy.Actions) != 1 {
		t.Fatal(err, policy)
	}
	if a := policy.Actions[0]; a.ID != Action || a.Message == "" || a.Any != "auth_admin" || a.Inactive != "auth_admin" || a.Active != "auth_admin_keep" {
		t.Errorf("%+v", a)
	}
}

// TestNew expects the path of this very program without symbolic links, as the policy has it.
func TestNew(t *testing.T) {
	k := New(nil)
	if !filepath.IsAbs(k.Exe) || k.Pkexec != "/usr/bin/pkexec" || k.Policy != "/usr/share/polkit-1/actions/org.nmgre.policy" || k.NoTerminal || k.grace == 0 {
		t.Errorf("%+v", k)
	}
}
