package far

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"time"

	"nmgre"
	"nmgre/nm/pair"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// Line is a connection to nmgre on the other host. Close ends it, and says why the other side has
// failed, if it has.
type Line interface {
	io.Reader
	io.Writer
	Close() error
}

// Near is the end that a person sits at.
type Near struct {
	Name  string // of the other host, as the person has typed it
	Host  *nmgre.Host
	Dial  func(context.Context) (Line, error)
	Tell  func(string) // a line for the person, which is printable
	Doubt Doubts
	// Ask asks the person whether both ends stay; nil if nobody is asked.
	Ask func(context.Context, verify.Report) error
	// Careful refuses a plan that may cut off the person's session.
	Careful func(context.Context, plan.Effect) error
	Watch   func() func()
	NoProbe bool

	look moment
}

// at returns this host for plans.
func (n *Near) at() *nmgre.Host {
	n.look.host = n.Host
	return n.look.now()
}

// Both is the plan of both ends.
type Both struct {
	Near  plan.Plan
	Far   pair.Message // planned
	Notes []string     // about the choices for both
	// There is the near end that is there already; nil for a new one.
	There *nmgre.Status

	hello *pair.Hello
	line  *line
	wish  pair.Wish
	mtu   uint32
}

// Result has the tunnel that was made: this end, and the far end's report.
type Result struct {
	Near    nmgre.Created
	FarName string
	Far     pair.Report
	Host    string
}

// line is the conversation with the other host, and its connection.
type line struct {
	*talk
	conn Line
	left bool // nobody waits for its end
	busy bool // something was made there, or will be: the other end is to say that it is undone
	once sync.Once
	err  error
}

// dial starts the other side and waits for its greeting.
func (n *Near) dial(ctx context.Context) (*line, *pair.Hello, error) {
	conn, err := n.Dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	chatter := func(line string) {
		if line != "" {
			n.Tell(fault.Printable(n.Name) + " prints: " + line)
		}
	}
	l := &line{talk: begin(conn, conn, chatter), conn: conn}
	m, err := l.next(ctx)
	switch {
	case err != nil:
		closed := l.close()
		return nil, nil, n.endedBecause(err, closed)
	case m.Type == pair.Failed:
		_ = l.close()
		return nil, nil, m.Failure.Error(n.Name)
	case m.Type != pair.Greeting:
		_ = l.close()
		return nil, nil, &fault.Error{Kind: fault.ErrInvalid, What: fault.Printable(n.Name) + " does not greet: it is no nmgre"}
	}
	return l, m.Hello, nil
}

// interrupted is the failure of work that a person may have interrupted. Their signal ends ssh too,
// and it is no news then that the connection is gone.
func interrupted(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) && errors.Is(err, errEnded) {
		return fault.Interrupted(ctx.Err())
	}
	return err
}

// endedBecause prefers the reason of ssh to that of the conversation.
func (n *Near) endedBecause(err, closed error) error {
	if closed != nil && (errors.Is(err, errEnded) || errors.Is(err, errSilent)) {
		return closed
	}
	return err
}

// idleFor is how long the other end may take to leave if it has made nothing.
const idleFor = 2 * time.Second

// close ends the conversation and the connection.
func (l *line) close() error {
	l.once.Do(func() {
		l.end()
		if a, ok := l.conn.(interface{ Abort() }); ok && !l.busy {
			defer time.AfterFunc(idleFor, a.Abort).Stop()
		}
		l.err = l.conn.Close()
	})
	return l.err
}

// hear waits for a message of that type. Another one, and the end of the connection, are errors.
func (n *Near) hear(ctx context.Context, l *line, want pair.Type) (pair.Message, error) {
	m, err := l.next(ctx)
	switch {
	case err != nil:
		if errors.Is(err, errEnded) {
			return m, n.endedBecause(err, l.close())
		}
		return m, err
	case m.Type == pair.Failed:
		return m, m.Failure.Error(n.Name)
	case m.Type != want:
		return m, &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("%s says %s out of turn", fault.Printable(n.Name), m.Type)}
	}
	return m, nil
}

// Plan plans both ends, and changes nothing. The plan holds the connection: [Near.Make] or
// [Both.Leave] ends it. With a name, the far end of that tunnel is planned.
func (n *Near) Plan(ctx context.Context, wish pair.Wish, name string) (*Both, error) {
	own := make(chan error, 1)
	var near *pair.Hello
	view := n.at()
	go func() { // while ssh connects
		var err error
		near, err = greeting(ctx, view, netip.Addr{})
		own <- err
	}()
	l, hello, err := n.dial(ctx)
	ownErr := <-own
	if now := n.at(); now != view && err == nil && ownErr == nil { // a person has answered ssh
		near, ownErr = greeting(ctx, now, netip.Addr{})
	}
	if err == nil && ownErr == nil && pair.Same(near, hello) {
		err = n.itself()
	}
	if err := cmp.Or(ownErr, err); err != nil {
		if l != nil {
			_ = l.close()
		}
		return nil, fault.Ended(ctx, err)
	}
	b := &Both{line: l, wish: wish, hello: hello}
	if err := n.plan(ctx, b, near, name); err != nil {
		b.Leave()
		return nil, fault.Ended(ctx, err)
	}
	return b, nil
}

// itself is the error for a far host that is the near one.
func (n *Near) itself() error {
	return fault.Invalid("", "give the host of the other end", "%s is this host itself: a tunnel has its ends on two hosts", fault.Printable(n.Name))
}

// plan plans the far end of a tunnel that is there, or both ends of a new one.
func (n *Near) plan(ctx context.Context, b *Both, near *pair.Hello, name string) error {
	remote := b.wish.Near.Remote
	if !remote.IsValid() && b.wish.Near.Name == "" && len(b.wish.Near.Addresses) == 0 {
		remote, _ = b.hello.Peer(n.Name, b.wish.Near.Mode, near) // Complete tells the error
	}
	if len(b.wish.Near.Addresses) > 0 || b.wish.Near.InputKey != nil || b.wish.Near.OutputKey != nil {
		remote = netip.Addr{} // a new one beside others
	}
	there, err := n.Existing(ctx, cmp.Or(name, b.wish.Near.Name), remote)
	switch {
	case err != nil:
		return err
	case there != nil:
		b.There = there
		return n.PlanMend(ctx, b, near, *there)
	}
	theirs, err := n.theirs(b, near, name)
	switch {
	case err != nil:
		return err
	case theirs != nil:
		return n.planTheirs(ctx, b, near, *theirs)
	case name != "":
		return &fault.Error{Kind: fault.ErrNotFound, What: "there is no tunnel " + fault.Printable(name) + " here", Hint: "leave the name out to make a new one, or give it with --name"}
	}
	return n.planBoth(ctx, b, near)
}

// Leave ends a plan that is not carried out, and does nothing after one that was.
func (b *Both) Leave() {
	if !b.line.left {
		_ = b.line.close()
	}
}

// planBoth plans the near end, then the far one, and agrees on the MTU.
func (n *Near) planBoth(ctx context.Context, b *Both, near *pair.Hello) (err error) {
	if b.Notes, err = b.wish.Complete(n.Name, near, b.hello); err != nil {
		return err
	}
	if err := b.wish.Near.Validate(); err != nil {
		return err
	}
	if b.Near, err = n.at().Plan(ctx, b.wish.Near); err != nil {
		return err
	}
	return n.agreeWith(ctx, b, b.wish, false)
}

// agreeWith has the far end plan its end, and agrees with it on the MTU. With mend it changes the
// tunnel that it has.
func (n *Near) agreeWith(ctx context.Context, b *Both, want pair.Wish, mend bool) error {
	ask, notes, err := want.Far(b.Near.FarEnd, b.Near.Tunnel, b.hello)
	if err != nil {
		return err
	}
	ask.Mend = mend
	b.Notes = append(b.Notes, notes...)
	if err := b.line.say(ask); err != nil {
		return err
	}
	if b.Far, err = n.hear(ctx, b.line, pair.Planned); err != nil {
		return err
	}
	return n.agree(ctx, b)
}

// agree takes the smaller MTU of both ends.
func (n *Near) agree(ctx context.Context, b *Both) (err error) {
	here, there := b.Near.Tunnel.MTU, b.Far.MTU
	b.mtu = min(here, cmp.Or(there, here))
	if b.mtu == here {
		if there > here {
			b.Notes = append(b.Notes, fmt.Sprintf("MTU %d at both ends: more does not fit here, though %d would there", here, there))
		}
		return nil
	}
	because := "more does not fit at " + fault.Printable(n.Name)
	if b.Far.Mend {
		because = fault.Printable(n.Name) + " has it"
	}
	b.Notes = append(b.Notes, fmt.Sprintf("MTU %d at both ends: %s, though %d would fit here", there, because, here))
	want := b.wish.Near
	want.MTU = there
	b.Near, err = n.at().Plan(ctx, want)
	return err
}

// Make makes both ends, or none.
func (n *Near) Make(ctx context.Context, b *Both) (Result, error) {
	defer b.Leave()
	if err := n.Careful(ctx, b.Near.Effect()); err != nil {
		return Result{}, err
	}
	w := &making{Near: n, both: b, Result: Result{FarName: b.Far.Name, Host: n.Name}}
	b.line.busy = true
	if err := b.line.say(pair.Message{Type: pair.Make, MTU: b.mtu}); err != nil {
		return w.Result, n.endedBecause(errEnded, b.line.close())
	}
	defer n.Watch()()
	guarded, free := b.line.guard(ctx)
	defer free()
	w.free = free
	host := *n.Host
	host.Session, host.Confirm = nil, w.proved
	var err error
	w.made, err = host.Create(guarded, b.Near, nmgre.CreateOptions{NoProbe: n.NoProbe, Up: w.up})
	w.Result.Near = w.made
	if err != nil {
		return w.Result, w.failed(ctx, err)
	}
	return w.Result, w.settle(ctx, &host)
}

// over ends the conversation when all is saved. The far side has nothing more to say, and nobody
// waits until its shell and ssh have ended.
func (l *line) over() {
	l.left = true
	go func() { _ = l.close() }()
}

// making is both ends while they are made.
type making struct {
	*Near
	Result
	both *Both
	made nmgre.Created
	free func()
	note string // the file of the note that the far end is in doubt
}

// up waits until the other end is up, too, and lets both prove the tunnel.
func (w *making) up(ctx context.Context) error {
	if _, err := w.hear(ctx, w.both.line, pair.Up); err != nil {
		return err
	}
	w.Tell(fmt.Sprintf("%s is up at %s, too", fault.Printable(w.FarName), fault.Printable(w.Name)))
	return w.both.line.say(pair.Message{Type: pair.Prove})
}

// proved decides whether both ends are saved.
func (w *making) proved(ctx context.Context, here verify.Report) error {
	m, err := w.hear(ctx, w.both.line, pair.Proved)
	if err != nil {
		return err
	}
	if m.Report != nil {
		w.Far = *m.Report
	}
	if err := w.judge(here); err != nil {
		return err
	}
	if w.Ask != nil {
		if err := w.Ask(ctx, here); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil { // the connection was lost meanwhile
		return errEnded
	}
	if w.note, err = w.Doubt.Write(w.both.Near.Tunnel, w.Name); err != nil {
		return err
	}
	w.free() // from now on the note counts
	return nil
}

// judge refuses a tunnel that is not proved from both directions.
func (w *making) judge(here verify.Report) error {
	host := fault.Printable(w.Name)
	for _, c := range here.Checks {
		if c.ID == "probe" && c.Status != verify.Pass && c.Status != verify.Skip {
			return &fault.Error{What: fmt.Sprintf("both ends are up, and %s does not answer: %s (%s)", host, c.Summary, c.Evidence), Hint: c.Hint}
		}
	}
	for _, c := range w.Far.Checks {
		if c.ID == "probe" && c.Status != string(verify.Skip) {
			return &fault.Error{What: fmt.Sprintf("both ends are up, and %s gets no answer from here: %s (%s)", host, fault.Printable(c.Summary), fault.Printable(c.Evidence)), Hint: hintThere(host, c.Hint)}
		}
		if c.Status == string(verify.Fail) {
			return &fault.Error{What: fmt.Sprintf("it came up wrong at %s: %s (%s)", host, fault.Printable(c.Summary), fault.Printable(c.Evidence)), Hint: hintThere(host, c.Hint)}
		}
	}
	if answered(here) && w.Far.Answered {
		w.Tell("proved it from both directions")
		return nil
	}
	w.Tell("warning: it is not proved from both directions, since one end does not probe")
	return nil
}

func hintThere(host, hint string) string {
	if hint == "" {
		return ""
	}
	return "on " + host + ": " + fault.Printable(hint)
}

// undone is how long the other end may take to undo its work.
const undone = 20 * time.Second

// failed has the other end undo its work, and waits for that.
func (w *making) failed(ctx context.Context, cause error) error {
	if w.note != "" {
		_ = forget(w.note) // this end is gone
	}
	cause = interrupted(ctx, cause)
	told := ctx.Err() != nil // by the person, who knows why ssh has ended, too
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undone)
	defer cancel()
	l := w.both.line
	_ = l.say(pair.Message{Type: pair.Undo})
	for {
		m, err := l.next(ctx)
		if err == nil && m.Type != pair.Failed {
			continue
		}
		if err == nil {
			w.Tell(fault.Printable(w.Name) + " has undone its end")
			return cause
		}
		w.Tell(fmt.Sprintf("warning: %s undoes its end by itself: the connection to it is gone", fault.Printable(w.Name)))
		closed := l.close()
		if !told && (errors.Is(cause, context.Canceled) || errors.Is(cause, errEnded)) {
			return cmp.Or(closed, error(errEnded))
		}
		return cause
	}
}

// settle has the far end saved, once the near one is. If its answer is lost, it is asked again. The
// end of told, by which a person interrupts it, ends ssh, and does not stop the questions.
func (w *making) settle(told context.Context, host *nmgre.Host) error {
	ctx := context.WithoutCancel(told)
	err := w.both.line.say(pair.Message{Type: pair.Save})
	if err == nil {
		waiting, cancel := context.WithTimeout(ctx, undone)
		defer cancel()
		_, err = w.hear(waiting, w.both.line, pair.Saved)
	}
	if err == nil {
		w.both.line.over()
		return forget(w.note)
	}
	w.Tell("the answer of " + fault.Printable(w.Name) + " is lost: asking it again")
	_ = w.both.line.close()
	there, askErr := w.askAgain(ctx)
	err = interrupted(told, err)
	name := fault.Operand(w.made.Status.Tunnel.Name)
	switch {
	case askErr != nil:
		return errors.Join(err, &fault.Error{What: fmt.Sprintf("it is not known whether %s has its end: this end, %s, stays until that is known", fault.Printable(w.Name), name), Err: askErr,
			Hint: "the next nmgre command finds it out when the other end can be reached; or type: nmgre pair " + fault.ShellWord(w.Name) + " " + name})
	case there:
		w.Tell(fault.Printable(w.Name) + " has saved its end")
		return forget(w.note)
	}
	host.Confirm = nil
	if _, undoErr := host.Delete(ctx, w.made.Status.UUID); undoErr != nil {
		return errors.Join(err, undoErr)
	}
	w.Tell("undid everything: " + fault.Printable(w.Name) + " has not saved its end")
	return errors.Join(w.neither(err), forget(w.note))
}

// neither is the error of an interruption that left no end; another one stays as it is.
func (w *making) neither(err error) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	return &fault.Error{Kind: context.Canceled, What: "interrupted: neither this host nor " + fault.Printable(w.Name) + " has the tunnel", Hint: "type the same command again to make both ends"}
}

// Times of asking again.
const (
	askFor   = 40 * time.Second // longer than an end on trial lives without a word
	askPause = 2 * time.Second
)

// askAgain asks by a new connection whether the far end is there and saved.
func (w *making) askAgain(ctx context.Context) (there bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	for {
		l, hello, dialErr := w.dial(ctx)
		if dialErr == nil {
			_ = l.close()
			at := slices.IndexFunc(hello.Ends, func(e pair.Ends) bool { return e.Mirrors(w.both.Near.Tunnel) })
			if at < 0 || !hello.Ends[at].Trial {
				return at >= 0, nil
			}
			dialErr = &fault.Error{Kind: fault.ErrTimeout, What: "it is still at work there"}
		}
		if err = dialErr; ctx.Err() != nil {
			return false, err
		}
		fault.Pause(ctx, askPause)
	}
}
