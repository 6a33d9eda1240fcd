package tui

import (
	"context"
	"errors"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
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

	mu   sync.Mutex
	last error // of the last change that has ended
}

// note keeps the error of a change that has ended, for the end of the program.
func (w *work) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = err
}

// trouble is the error of the last change, without the news that it was stopped or not confirmed.
func (w *work) trouble() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var left []error
	for _, err := range fault.Split(w.last) {
		if !errors.Is(err, context.Canceled) && !errors.Is(err, errNotConfirmed) {
			left = append(left, err)
		}
	}
	return errors.Join(left...)
}

// operation is one of them. Its answer counts as long as it is in work.running.
type operation struct {
	id       int
	name     string // for the person: "bring gre1 up"
	change   bool   // it changes the host
	root     bool   // it changes the files that root keeps
	asks     *undo  // names the change if the person has to confirm it
	alone    bool   // it has the terminal to itself
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
	op.change, op.alone = true, op.alone || m.prompts || op.root && m.rootAsks
	m.begin(op)
	return operate(m, op, m.wf.Reporting(m.listener(op)), changeLimit+m.opts.Confirm, do, func(got T, err error) tea.Cmd {
		m.detail.checks.Report, m.detail.checks.Err = nil, nil // they were about the tunnel as it was
		return then(got, err)
	})
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
		Alone:      op.alone,
		ConfirmCut: func(ctx context.Context, _ verify.Report) error { return m.confirm(ctx, op.asks) },
		Step: func(e nmgre.Event) {
			if op.alone && m.lender != nil {
				m.lender.step(e)
			}
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
	return func() tea.Msg {
		return m.reply(doneMsg{op.id, run(m, op, ctx, wf, do, then)})
	}
}

// run carries out an operation, and returns the function that takes its answer on the main loop.
//
//nolint:revive // the operation comes first, as its context is made for it
func run[T any](m *Model, op *operation, ctx context.Context, wf Workflow, do func(context.Context, Workflow) (T, error), then func(T, error) tea.Cmd) (answer func() tea.Cmd) {
	defer op.cancel()
	if op.change {
		defer m.work.changes.Done()
	}
	defer func() {
		if r := recover(); r != nil {
			c := m.reportCrash(r)
			answer = func() tea.Cmd { return m.endBy(c) }
		}
	}()
	if op.alone && m.lender != nil {
		defer m.lender.Lend()()
		m.lender.say(op.name + " (a password may be asked for)")
	}
	value, err := do(ctx, wf)
	if op.change {
		m.work.note(err)
	}
	return func() tea.Cmd { return then(value, err) }
}

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
		m.log.Add(*msg.step)
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
