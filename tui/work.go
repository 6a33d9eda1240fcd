package tui

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm/verify"
	"nmgre/tui/draw"
)

// How long an operation may take by itself. Reading a host with a thousand tunnels takes seconds on
// a slow machine.
const (
	readLimit   = 20 * time.Second
	changeLimit = 2 * time.Minute
)

// work is what runs beside the screen.
type work struct {
	next    int
	running map[int]*operation
	changes sync.WaitGroup // those that must end before the program does
}

// operation is one of them. Its answer counts as long as it is in work.running.
type operation struct {
	id       int
	name     string // what is done, for the person: "bring gre1 up"
	change   bool   // it changes the host
	root     bool   // root has to keep something for it, or no longer
	begun    time.Time
	cancel   context.CancelFunc
	canceled bool
	on       Listener // what else is done with what it tells
}

// doneMsg is the answer to an operation.
type doneMsg struct {
	id   int
	then func() tea.Cmd
}

// heardMsg is what an operation tells while it runs.
type heardMsg struct {
	id   int
	step *nmgre.Event
	tell func(Listener)
}

// read runs do beside the screen, and then on the main loop. It changes nothing.
func read[T any](m *Model, name string, do func(context.Context, Workflow) (T, error), then func(T, error) tea.Cmd) tea.Cmd {
	op := m.begin(&operation{name: name})
	return operate(m, op, m.wf, readLimit, do, then)
}

// change runs do, which changes the host, beside the screen, or with the terminal to itself where
// somebody may ask for a password.
func change[T any](m *Model, op *operation, do func(context.Context, Workflow) (T, error), then func(T, error) tea.Cmd) tea.Cmd {
	op.change = true
	m.begin(op)
	if m.prompts || op.root && m.rootAsks {
		return alone(m, op, do, then)
	}
	return operate(m, op, m.wf.Reporting(m.listener(op)), changeLimit, do, then)
}

// report is change for what changes nothing and still tells of its steps.
func report[T any](m *Model, op *operation, do func(context.Context, Workflow) (T, error), then func(T, error) tea.Cmd) tea.Cmd {
	m.begin(op)
	return operate(m, op, m.wf.Reporting(m.listener(op)), changeLimit, do, then)
}

// listener hands what an operation tells to the main loop.
func (m *Model) listener(op *operation) Listener {
	id := op.id
	return Listener{
		Step: func(e nmgre.Event) {
			m.send(heardMsg{id, &e, func(on Listener) {
				if on.Step != nil {
					on.Step(e)
				}
			}})
		},
		Check: func(c verify.Check) {
			m.send(heardMsg{id: id, tell: func(on Listener) {
				if on.Check != nil {
					on.Check(c)
				}
			}})
		},
		Advance: func(done, total int) {
			m.send(heardMsg{id: id, tell: func(on Listener) {
				if on.Advance != nil {
					on.Advance(done, total)
				}
			}})
		},
	}
}

// begin gives an operation its number.
func (m *Model) begin(op *operation) *operation {
	m.work.next++
	op.id, op.begun, op.cancel = m.work.next, time.Now(), func() {}
	m.work.running[op.id] = op
	return op
}

func operate[T any](m *Model, op *operation, wf Workflow, limit time.Duration, do func(context.Context, Workflow) (T, error), then func(T, error) tea.Cmd) tea.Cmd {
	ctx, cancel := context.WithTimeout(m.ctx, limit)
	op.cancel = cancel
	if op.change {
		m.work.changes.Add(1)
	}
	return func() (msg tea.Msg) {
		if op.change {
			defer m.work.changes.Done()
		}
		defer cancel()
		defer func() {
			if r := recover(); r != nil {
				msg = doneMsg{op.id, func() tea.Cmd { return m.crashed(r) }}
			}
		}()
		value, err := do(ctx, wf)
		return doneMsg{op.id, func() tea.Cmd { return then(value, err) }}
	}
}

// alone gives the terminal to the operation: the screen goes, the steps are lines, and the screen
// comes back when it has ended.
func alone[T any](m *Model, op *operation, do func(context.Context, Workflow) (T, error), then func(T, error) tea.Cmd) tea.Cmd {
	ctx, cancel := context.WithTimeout(m.ctx, changeLimit)
	op.cancel = cancel
	var value T
	run := &onTerminal{name: op.name, lend: m.lend, do: func(out io.Writer) error {
		defer cancel()
		listener := op.on
		listener.Step = func(e nmgre.Event) {
			if !e.Detail {
				fmt.Fprintln(out, "nmgre: "+draw.StepText(e))
			}
			m.log.add(e)
			if op.on.Step != nil {
				op.on.Step(e)
			}
		}
		wf := m.wf.Reporting(listener)
		var err error
		value, err = do(ctx, wf)
		return err
	}}
	return tea.Exec(run, func(error) tea.Msg {
		return doneMsg{op.id, func() tea.Cmd { return then(value, run.err) }}
	})
}

// onTerminal is an operation that has the terminal. The main loop waits for it.
type onTerminal struct {
	name string
	lend func() func()
	do   func(out io.Writer) error
	out  io.Writer
	err  error
}

// Run carries it out. Its own error is kept apart from the terminal's.
func (o *onTerminal) Run() error {
	if o.out == nil {
		o.out = io.Discard
	}
	if o.lend != nil {
		defer o.lend()()
	}
	fmt.Fprintf(o.out, "nmgre: %s (a password may be asked for)\n", o.name)
	o.err = o.do(o.out)
	return nil
}

// SetStdin has no use: whoever asks opens the terminal himself.
func (o *onTerminal) SetStdin(io.Reader) {}

// SetStdout says where the steps go.
func (o *onTerminal) SetStdout(w io.Writer) { o.out = w }

// SetStderr has no use.
func (o *onTerminal) SetStderr(io.Writer) {}

// finish takes an answer, unless nobody waits for it any more.
func (m *Model) finish(msg doneMsg) tea.Cmd {
	if m.work.running[msg.id] == nil {
		return nil
	}
	delete(m.work.running, msg.id)
	return msg.then()
}

// heard takes what an operation tells. What one that is no longer waited for has done stands in the
// log all the same.
func (m *Model) heard(msg heardMsg) {
	if msg.step != nil {
		m.log.add(*msg.step)
	}
	if op := m.work.running[msg.id]; op != nil {
		msg.tell(op.on)
	}
}

// changing is the change that runs; nil if none does. There is one at a time.
func (m *Model) changing() *operation {
	for _, op := range m.work.running {
		if op.change {
			return op
		}
	}
	return nil
}

// cancelOp ends an operation: a change is told to take back what it did, and waited for; asked a
// second time, or where nothing has been changed, its answer is dropped when it comes.
func (m *Model) cancelOp(op *operation) {
	op.cancel()
	if op.change && !op.canceled {
		op.canceled = true
		m.warn("stopping: everything is undone; esc again to wait no longer")
		return
	}
	delete(m.work.running, op.id)
	m.warn("no longer waiting: " + op.name)
}

// cancelReads drops everything that is only being read.
func (m *Model) cancelReads() {
	for id, op := range m.work.running {
		if !op.change {
			op.cancel()
			delete(m.work.running, id)
		}
	}
}
