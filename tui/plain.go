package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/find"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/tui/answers"
	"nmgre/tui/canvas"
	"nmgre/tui/draw"
	"nmgre/tui/facts"
	"nmgre/tui/form"
	"nmgre/tui/way"
)

// plainWidth is where longer lines are broken, in characters.
const plainWidth = 78

// errEnded says that the input has ended before the questions.
var errEnded = &fault.Error{What: "the input has ended: nothing more is done", Hint: "answer each question with a line; an empty line takes the value in brackets"}

// Plain asks the wizard's questions line by line, for screen readers, scripts, and simple
// terminals. There is no drawing, and nothing moves. Questions go to term.Err, results to term.Out.
// Of the options, Names and Confirm count. The end of the input is an error, and leaves nothing
// half done.
func Plain(ctx context.Context, wf Workflow, opts Options, term Terminal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &plainTalk{ctx: ctx, wf: wf, confirm: cmp.Or(opts.Confirm, defaultConfirm), out: canvas.NewWriter(term.Out), err: canvas.NewWriter(term.Err), forget: term.Forget, theme: draw.NewTheme(false, true)}
	if term.Forget != nil {
		// Nothing is read ahead: a program that asks for a password may read meanwhile.
		p.line = canvas.NewInput(term.In).Line
	} else {
		p.line = canvas.Lines(ctx, term.In)
	}
	defer p.out.Flush(time.Second)
	defer p.err.Flush(time.Second)
	manager, err := wf.Manager(ctx)
	if err != nil {
		return err
	}
	p.known.Version, p.known.Names = manager.Version, once(opts.Names)()
	if manager.Modify == nm.PermissionNo {
		p.say("%s", withoutRights)
	}
	for {
		done, err := p.turn()
		if done || err != nil {
			return err
		}
	}
}

// plainTalk is a conversation.
type plainTalk struct {
	ctx      context.Context //nolint:containedctx // a conversation is one call
	wf       Workflow
	out, err *canvas.Writer
	line     func(context.Context) (string, error) // reads the next line
	forget   func() error                          // see [Terminal]
	theme    draw.Theme
	known    answers.Host
	confirm  time.Duration // how long a change waits that may cut off the person's session
}

// host is everything that the answers need of the host, beyond its interfaces.
func (p *plainTalk) host() answers.Host { return p.known }

// orderLimit is how long a text for one of the outputs may take before the other is written to.
// Both may be one terminal, which may stand still.
const orderLimit = 200 * time.Millisecond

// say writes a line of the conversation. Nothing in it acts on the terminal.
func (p *plainTalk) say(format string, args ...any) {
	p.write(p.err, p.out, fault.Printable(fmt.Sprintf(format, args...))+"\n")
}

// result writes a line of the output in the same way.
func (p *plainTalk) result(format string, args ...any) {
	p.write(p.out, p.err, fault.Escaped(fmt.Sprintf(format, args...))+"\n") // a command is not cut
}

// write writes to one of the outputs after the earlier text of the other.
func (p *plainTalk) write(to, before *canvas.Writer, text string) {
	before.Flush(orderLimit)
	_, _ = to.Write([]byte(text)) // a person who does not read misses it
}

// ask returns the answer; an empty one is the default.
func (p *plainTalk) ask(question, byDefault string) (string, error) {
	if byDefault != "" {
		question += " [" + fault.Printable(byDefault) + "]"
	}
	p.write(p.err, p.out, question+": ")
	answer, err := p.line(p.ctx)
	switch {
	case p.ctx.Err() != nil:
		p.write(p.err, p.out, "\n")
		return "", &fault.Error{What: "interrupted", Err: p.ctx.Err()}
	case err != nil:
		p.write(p.err, p.out, "\n")
		return "", errEnded
	}
	if answer = strings.TrimSpace(answer); answer == "" {
		return byDefault, nil
	}
	return answer, nil
}

// sure asks for a yes.
func (p *plainTalk) sure(question string) (bool, error) {
	for {
		answer, err := p.ask(question+" (yes or no)", "")
		if err != nil {
			return false, err
		}
		switch {
		case isYes(answer):
			return true, nil
		case strings.EqualFold(answer, "n"), strings.EqualFold(answer, "no"):
			return false, nil
		}
		p.say("Type yes or no.")
	}
}

// turn shows the tunnels, asks for a command, and carries it out.
func (p *plainTalk) turn() (done bool, err error) {
	all, err := p.wf.List(p.ctx)
	if err != nil {
		return false, err
	}
	p.known.Tunnels = all
	for i := range all {
		s := &all[i]
		p.result("%s %s %s -> %s %s", fault.Printable(s.Tunnel.Name), s.State, gre.OuterText(s.Tunnel.Local), gre.OuterText(s.Tunnel.Remote), draw.Prefixes(s.Tunnel.Addresses))
	}
	if len(all) == 0 {
		p.say("There are no tunnels yet.")
	}
	word, err := p.ask("What now? new, edit, show, verify, far, pair, up, down, delete, or quit", "quit")
	if err != nil {
		return false, err
	}
	if word == "quit" || word == "q" {
		return true, nil
	}
	return false, p.told(p.act(word))
}

// told shows an error, and lets the conversation go on.
func (p *plainTalk) told(err error) error {
	if err == nil || errors.Is(err, errEnded) || p.ctx.Err() != nil {
		return err
	}
	for _, part := range strings.Split(err.Error(), "\n") {
		p.say("It failed: %s", fault.Printable(part))
	}
	for _, hint := range fault.Hints(err) {
		p.say("hint: %s", fault.Printable(hint))
	}
	return nil
}

func (p *plainTalk) act(word string) error {
	if word == "new" || word == "n" {
		return p.wizard(answers.New(p.host), nil)
	}
	acts := map[string]func(nmgre.Status) error{"edit": p.edit, "show": p.show, "verify": p.verify, "far": p.farEnd, "pair": p.pair, "up": p.up, "down": p.down, "delete": p.remove}
	act, known := acts[word]
	if !known {
		p.say("There is no %s. Type one of the words, or quit.", fault.Printable(word))
		return nil
	}
	if len(p.known.Tunnels) == 0 {
		p.say("There are no tunnels yet: new makes the first one.")
		return nil
	}
	name, err := p.ask("Which tunnel?", p.known.Tunnels[0].Tunnel.Name)
	if err != nil {
		return err
	}
	profiles := make([]nm.Profile, len(p.known.Tunnels))
	for i, s := range p.known.Tunnels {
		profiles[i] = s.Profile
	}
	choose := find.ByName
	if word == "delete" {
		choose = find.Only
	}
	one, err := choose(profiles, name)
	if err != nil {
		return err
	}
	whole, err := p.wf.Show(p.ctx, one.UUID)
	if err != nil {
		return err
	}
	return act(whole)
}

func (p *plainTalk) edit(s nmgre.Status) error {
	return p.wizard(answers.Edit(answers.Whole(s), p.host), &s)
}

// show prints the lines of the overview.
func (p *plainTalk) show(s nmgre.Status) error {
	for _, f := range facts.Of(&s) {
		mark := ""
		if f.Differs {
			mark = " (differs)"
		}
		if f.Link == "" {
			p.result("%s: %s%s", f.Name, f.Profile, mark)
			continue
		}
		p.result("%s: profile %s, link %s%s", f.Name, f.Profile, f.Link, mark)
	}
	for _, r := range append(append([]routes.Route(nil), s.Tunnel.Routes...), s.Kept.Routes...) {
		p.result("route: %s", r)
	}
	return nil
}

func (p *plainTalk) verify(s nmgre.Status) error {
	report, err := p.wf.Verify(p.ctx, s.UUID, verify.Options{Networks: true})
	if err != nil {
		return err
	}
	p.report(report)
	return nil
}

func (p *plainTalk) report(r verify.Report) {
	for _, c := range r.Checks {
		p.result("%s %s: %s (%s)", c.Status, fault.Printable(c.ID), fault.Printable(c.Summary), c.Certainty)
		if c.Evidence != "" && c.Status != verify.Skip {
			p.result("  seen: %s", fault.Printable(c.Evidence))
		}
		if c.Hint != "" {
			p.result("  hint: %s", fault.Printable(c.Hint))
		}
	}
	p.result("way: %s", way.Sentence(way.View{Report: &r}))
	p.result("verdict: %s", r.Verdict)
}

func (p *plainTalk) farEnd(s nmgre.Status) error {
	far, err := p.wf.FarEnd(p.ctx, s.Tunnel.WithKept(s.Kept))
	if err != nil {
		return err
	}
	if command := far.CreateCommand(); command != "" {
		p.result("far end: %s", command)
		p.say("Type pair to have that end made over ssh.")
	}
	for _, note := range far.Told() {
		p.say("%s", fault.Printable(note))
	}
	return nil
}

// pair makes the other end too, or changes it to match.
func (p *plainTalk) pair(s nmgre.Status) error {
	host, err := p.ask("The other host for ssh, such as ann@203.0.113.2?", cmp.Or(s.Tunnel.PeerName, s.Tunnel.Remote.String()))
	if err != nil {
		return err
	}
	return p.working().Pair(p.ctx, host, s.UUID)
}

func (p *plainTalk) up(s nmgre.Status) error { return second(p.working().Up(p.ctx, s.UUID)) }

func (p *plainTalk) down(s nmgre.Status) error {
	p.say("Packets to %s no longer go through %s.", networks(s), fault.Printable(s.Tunnel.Name))
	if yes, err := p.sure("Take it down?"); !yes || err != nil {
		return err
	}
	return second(p.working().Down(p.ctx, s.UUID))
}

func (p *plainTalk) remove(s nmgre.Status) error {
	for _, loss := range losses(s)[:len(losses(s))-1] {
		p.say("%s", loss)
	}
	if yes, err := p.sure("Delete it?"); !yes || err != nil {
		return err
	}
	return second(p.working().Delete(p.ctx, s.UUID))
}

func isYes(answer string) bool {
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// working is the workflow with its steps told.
func (p *plainTalk) working() Workflow {
	last := time.Now()
	return p.wf.Reporting(Listener{
		Alone: true,
		Step: func(e nmgre.Event) {
			if !e.Detail {
				p.say("%s", draw.StepText(e))
			}
		},
		Advance: func(done, total int) {
			if time.Since(last) > 2*time.Second {
				last = time.Now()
				p.say("%d of %d routes", done, total)
			}
		},
		ConfirmCut: p.confirmCut,
	})
}

// confirmCut asks whether a change stays that may have cut the person off. On a terminal only a
// line typed after the question counts.
func (p *plainTalk) confirmCut(ctx context.Context, _ verify.Report) error {
	ctx, cancel := context.WithTimeout(ctx, p.confirm)
	defer cancel()
	if p.forget != nil {
		_ = p.forget() // of a terminal that has gone nothing is read
	}
	p.say("It is done, but not kept yet. Without an answer it is undone in %s.", p.confirm)
	asked := *p
	asked.ctx = ctx
	yes, err := asked.sure("Keep it?")
	if ctx.Err() != nil || err == nil && !yes {
		return errNotConfirmed
	}
	return err
}

// wizard asks for every field, shows the plan, and carries it out.
func (p *plainTalk) wizard(a *answers.Answers, was *nmgre.Status) error {
	links, err := p.wf.Links(p.ctx)
	if err != nil {
		return err
	}
	a.SetLinks(links)
	if names, err := p.wf.ZoneNames(p.ctx); err == nil {
		a.SetZones(names)
	}
	p.say("An empty line takes the value in brackets; a single - clears it.")
	for i := range answers.Pages {
		if err := p.page(a, i); err != nil {
			return err
		}
	}
	for {
		again, err := p.finish(a, was)
		if !again || err != nil {
			return err
		}
	}
}

// page asks for the fields of one page. An empty line ends the routes, and the SNAT.
func (p *plainTalk) page(a *answers.Answers, open answers.Page) error {
	p.say("%s", answers.Names[open])
	fm := a.Forms[open]
	for i := 0; i < len(fm.Fields); i++ {
		a.Refresh()
		if f := fm.Fields[i]; f.Why == "" {
			if err := p.field(a, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// field asks until the answer is valid.
func (p *plainTalk) field(a *answers.Answers, f *form.Field) error {
	for {
		if f.Kind == form.Choice {
			for i, o := range f.Options {
				p.say("  %d %s", i+1, fault.Printable(o.Label))
			}
		}
		question := f.Label
		if f.Help != "" {
			question += " (" + f.Help + ")"
		}
		if empty := f.Placeholder(); f.Kind == form.Text && f.Value() == "" && empty != "" && !strings.HasPrefix(empty, "such as") {
			question += "; empty: " + empty
		}
		byDefault, before := f.Value(), f.Value()
		if f.Kind == form.Choice {
			byDefault = strconv.Itoa(f.Chosen + 1)
		}
		answer, err := p.ask(question, byDefault)
		if err != nil {
			return err
		}
		f.Touched = true
		if !f.Answer(answer) {
			p.say("%s is not one of the answers.", fault.Printable(answer))
			continue
		}
		if a.Changed(f) {
			p.way(a)
		}
		if f.Problem == "" {
			if f.Note != "" {
				p.say("%s", fault.Printable(f.Note))
			}
			return nil
		}
		p.say("Not valid: %s", withHint(f.Problem, f.Hint))
		f.Choose(before) // a refused value is no default
		if f.Kind == form.Text {
			f.SetText(before)
		}
	}
}

// withHint is a problem with its hint on one line.
func withHint(problem, hint string) string {
	if hint == "" {
		return fault.Printable(problem)
	}
	return fault.Printable(problem) + " (" + fault.Printable(hint) + ")"
}

// way asks the kernel for the way to the far end.
func (p *plainTalk) way(a *answers.Answers) {
	if name, v6, ok := a.NameQuery(); ok {
		list, err := p.wf.Resolve(p.ctx, name, v6)
		a.SetName(name, v6, list, err)
	}
	if q, ok := a.WayQuery(); ok {
		hop, err := p.wf.Lookup(p.ctx, q)
		a.SetWay(q, hop, err)
	}
}

// finish shows the plan and carries it out. It returns again if the host has refused answers, which
// have been asked for once more.
func (p *plainTalk) finish(a *answers.Answers, was *nmgre.Status) (again bool, err error) {
	a.Submit()
	if _, f := a.Problem(); f != nil { // a later answer can make an earlier one wrong
		p.say("Not valid: %s", withHint(f.Problem, f.Hint))
		return true, p.field(a, f)
	}
	t, _ := a.Tunnel()
	if was != nil {
		return p.finishEdit(a, was, t)
	}
	planned, err := p.wf.Plan(p.ctx, t)
	if err != nil {
		return p.askAgain(a, err)
	}
	p.preview(draw.PlanLines(p.theme, &planned, plainWidth))
	if yes, err := p.sure("Make it?"); !yes || err != nil {
		return false, err
	}
	created, err := p.working().Create(p.ctx, planned, nmgre.CreateOptions{})
	if err != nil {
		return false, err
	}
	p.report(created.Report)
	return false, p.farEnd(created.Status)
}

func (p *plainTalk) finishEdit(a *answers.Answers, was *nmgre.Status, t nm.Tunnel) (again bool, err error) {
	planned, err := p.wf.PlanEdit(p.ctx, was.UUID, func(own *nm.Tunnel) error { *own = t; return nil })
	if err != nil {
		return p.askAgain(a, err)
	}
	if len(planned.Changes) == 0 {
		p.say("Nothing to change: the tunnel is like this already.")
		return false, nil
	}
	p.preview(draw.EditLines(p.theme, was.Tunnel.Name, &planned, plainWidth))
	if yes, err := p.sure("Change it?"); !yes || err != nil {
		return false, err
	}
	edited, err := p.working().Edit(p.ctx, planned, nmgre.EditOptions{})
	if err == nil && edited.Report.Checks != nil {
		p.report(edited.Report)
	}
	return false, err
}

// askAgain asks for the fields that the host does not accept.
func (p *plainTalk) askAgain(a *answers.Answers, err error) (again bool, _ error) {
	for _, problem := range answers.Problems(err) {
		if f := a.FieldOf(problem); problem.Field != "" && f != nil && f.ID == problem.Field {
			p.say("Not possible: %s", withHint(problem.What, problem.Hint))
			if err := p.field(a, f); err != nil {
				return false, err
			}
			again = true
		}
	}
	if !again {
		return false, err
	}
	return true, nil
}

// preview prints the plan. It has no picture of the path, which says nothing to a listener: the
// steps have the same facts.
func (p *plainTalk) preview(lines []draw.Line) {
	for _, ln := range lines {
		p.say("%s", strings.TrimRight(ln.Plain(), " "))
	}
}
