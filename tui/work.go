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

// work has the operations that run beside the screen.
type work struct {
	next    int
	running map[int]*operation
	changes sync.WaitGroup // those that must end before the program ends
}

// operation is one of them. Its answer counts as long as it is in work.running.
type operation struct {
	id       int
	name     string // for the person: "bring gre1 up"
	change   bool   // it changes the host
	root     bool   // it changes the files that root keeps
	begun    time.Time
	cancel   context.CancelFunc
	canceled bool
	on       Listener // also told of its steps
}

// doneMsg is the answer to an operation.
type doneMsg struct {
	id   int
	then func() tea.Cmd
}

// heardMsg is a step or a check of an operation that runs.
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

// change runs do, which changes the host, beside the screen. Where a password may be asked for, it
// gets the terminal to itself.
func change[T any](m *Model, op *operation, do func(context.Context, Workflow) (T, error), then func(T, error) tea.Cmd) tea.Cmd {
	op.change = true
	m.begin(op)
	if m.prompts || op.root && m.rootAsks {
		return alone(m, op, do, then)
	}
	return operate(m, op, m.wf.Reporting(m.listener(op)), changeLimit, do, then)
}

// report runs do, which changes nothing, beside the screen, with its steps told.
func report[T any](m *Model, op *operation, do func(context.Context, Workflow) (T, error), then func(T, error) tea.Cmd) tea.Cmd {
	m.begin(op)
	return operate(m, op, m.wf.Reporting(m.listener(op)), changeLimit, do, then)
}

// listener hands the steps and checks of an operation to the main loop.
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

// Run carries the operation out. Its error is kept apart from the terminal's.
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

// SetStdin does nothing: a program that asks for a password opens the terminal itself.
func (o *onTerminal) SetStdin(io.Reader) {}

// SetStdout says where the steps go.
func (o *onTerminal) SetStdout(w io.Writer) { o.out = w }

// SetStderr does nothing.
func (o *onTerminal) SetStderr(io.Writer) {}

// finish takes an answer, unless nobody waits for it.
func (m *Model) finish(msg doneMsg) tea.Cmd {
	if m.work.running[msg.id] == nil {
		return nil
	}
	delete(m.work.running, msg.id)
	return msg.then()
}

// heard takes a step or a check. The log has it even if nobody waits for the operation any more.
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

// cancelOp ends an operation. A change undoes its steps, and is waited for. The second time, or if
// nothing is changed, its answer is dropped when it comes.
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

// cancelReads drops every operation that only reads.
func (m *Model) cancelReads() {
	for id, op := range m.work.running {
		if !op.change {
			op.cancel()
			delete(m.work.running, id)
		}
	}
}
