package asroot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// TestMain also makes this program a pkexec. A Keeper's Exe names the role that it plays, since the
// environment is not passed on.
func TestMain(m *testing.M) {
	if at := slices.Index(os.Args, Command); at >= 2 {
		playPkexec(filepath.Base(os.Args[at-1]), os.Args[at+1:])
	}
	switch {
	case len(os.Args) > 2 && os.Args[1] == "--notify-fd":
		playAgent()
	case len(os.Args) == 4 && os.Args[1] == "on-terminal":
		onTerminal(os.Args[2], os.Args[3])
	case len(os.Args) == 3 && os.Args[1] == "of-a-caller":
		ofACaller(os.Args[2] == "true")
	case len(os.Args) == 2 && os.Args[1] == "settled":
		settled()
	case len(os.Args) > 2 && os.Args[1] == "in-background":
		inBackground(os.Args[2:])
	}
	os.Exit(m.Run())
}

// playPkexec plays pkexec, and then the helper if the role permits it.
func playPkexec(role string, args []string) {
	say := func(text string) { fmt.Fprintln(os.Stderr, text) }
	switch role {
	case "dismiss":
		say("Error executing command as another user: Request dismissed")
		os.Exit(126)
	case "refuse":
		say("Error executing command as another user: No authentication agent found.\n\nThis incident has been reported.")
		os.Exit(127)
	case "hostile":
		say("Error executing command as another user: \x1b[2Jno\u202e")
		os.Exit(127)
	case "ask":
		time.Sleep(time.Hour)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(time.Hour)
	case "crash":
		say("panic: at once")
		os.Exit(2)
	case "garbage":
		fmt.Println("hello")
		time.Sleep(time.Hour)
	case "deaf":
		fmt.Println(answerMark)
		time.Sleep(time.Hour)
	case "die":
		fmt.Println(answerMark)
		say("panic: in the middle")
		os.Exit(2)
	case "endless":
		fmt.Println(answerMark)
		for {
			if _, err := fmt.Print(strings.Repeat("x", 1<<16)); err != nil {
				os.Exit(1)
			}
		}
	case "twice":
		fmt.Println(answerMark + "\n{\"result\":{\"changed\":true}}\n{\"result\":{}}")
	}
	carry, known := carries[role]
	if !known {
		carry = tell
	}
	question, err := ParseQuestion(args)
	if err != nil {
		say(err.Error())
		os.Exit(2)
	}
	os.Exit(exitOf(Helper{In: os.Stdin, Out: os.Stdout, Question: question, Carry: carry}.Serve(context.Background())))
}

func exitOf(err error) int {
	if err != nil {
		return 1
	}
	return 0
}

// tell reports the request, and the arguments and environment of the helper.
func tell(_ context.Context, r Request, progress func(done, total int)) (keep.Converged, error) {
	progress(1, 2)
	progress(2, 2)
	at := slices.Index(os.Args, Command)
	trouble := append([]string{strings.Join(os.Args[1:at-1], " "), strings.Join(os.Args[at+1:], " "), string(r.Verb), r.UUID, fmt.Sprintf("%v", r.Kept)}, os.Environ()...)
	return keep.Converged{Changed: true, Trouble: trouble,
		Routes: kernel.SyncResult{Added: []int{7, 8}, Replaced: []int{9}, Unchanged: 3, Removed: 4}}, nil
}

// carries are the helper's ways to carry out a request, by the role. Other roles tell.
var carries = map[string]Carry{
	// The kernel refuses.
	"kernel": func(context.Context, Request, func(done, total int)) (keep.Converged, error) {
		refusal := &fault.Error{Kind: fault.ErrInvalid, What: "no such device"}
		return keep.Converged{Refused: []kernel.Refusal{{Index: 1, Err: refusal}}},
			errors.Join(&fault.Error{Field: "route", What: "10.1.0.0/16", Hint: "look", Err: refusal}, &fault.Error{What: "and 3 more"})
	},
	// It notes the end of a trial in the file that LANG names.
	"try": func(_ context.Context, r Request, _ func(done, total int)) (keep.Converged, error) {
		if r.Verb == VerbSave || r.Verb == VerbDrop || r.Verb == VerbAbandon {
			return keep.Converged{}, os.WriteFile(filepath.Join(os.TempDir(), os.Getenv("LANG")), []byte(string(r.Verb)+" "+r.UUID), 0o600)
		}
		return keep.Converged{Changed: true, Trouble: []string{string(r.Verb)}}, nil
	},
	"gone": func(context.Context, Request, func(done, total int)) (keep.Converged, error) {
		return keep.Converged{}, &fault.Error{Kind: fault.ErrNotFound, What: "nothing is kept"}
	},
	// It works until it is interrupted, and takes a moment to undo.
	"work": func(ctx context.Context, _ Request, progress func(done, total int)) (keep.Converged, error) {
		progress(1, 1)
		<-ctx.Done()
		time.Sleep(200 * time.Millisecond)
		return keep.Converged{Trouble: []string{"took back"}}, fmt.Errorf("interrupted: %w", ctx.Err())
	},
}

// keeper returns a Keeper whose pkexec plays a role.
func keeper(t *testing.T, role string) *Keeper {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	k := &Keeper{Exe: "/role/" + role, Pkexec: self, Policy: filepath.Join(t.TempDir(), "policy"), grace: 2 * time.Second}
	writePolicy(t, k.Policy, k.Exe)
	return k
}

// writePolicy writes the policy that make install writes, for the program exe.
func writePolicy(t *testing.T, file, exe string) {
	t.Helper()
	text, err := os.ReadFile("../../cmd/nmgre/polkit/org.nmgre.policy.in")
	if err == nil {
		err = os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "@nmgre@", exe)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
