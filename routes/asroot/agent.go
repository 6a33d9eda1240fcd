//nolint:forbidigo // pkttyagent is run here, polkit's own program: see startAgent
package asroot

import (
	"context"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// agentTimeout is how long the agent may take to start, and to end.
const agentTimeout = 5 * time.Second

// agent is polkit's agent for terminals while it runs.
type agent struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// startAgent starts polkit's agent for terminals (pkttyagent), for this process alone, and waits
// until polkit knows it. It returns nil where no agent can be started.
//
// pkexec contains such an agent, but it does not work in polkit up to 124, nor in 127: polkit takes
// the agent for root's and its answers for the user's ("No session for cookie").
func (k *Keeper) startAgent(ctx context.Context) *agent {
	ready, notify, err := os.Pipe()
	if err != nil {
		return nil
	}
	defer func() { _ = ready.Close() }()
	args := []string{"--notify-fd", "3"}
	if os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "" {
		// The desktop's own agent comes first. Without a desktop there is none, and without a
		// session polkit ignores an agent that is only a fallback.
		args = append(args, "--fallback")
	}
	a := &agent{cmd: exec.Command(k.Agent, args...), exited: make(chan struct{})}
	a.cmd.Env, a.cmd.ExtraFiles = environment(), []*os.File{notify}
	// The agent ends with this process. pkexec sees to that itself.
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	err = a.cmd.Start()
	_ = notify.Close() // the process has its own
	if err != nil {
		return nil
	}
	go func() { defer close(a.exited); _ = a.cmd.Wait() }()
	if !a.ready(ctx, ready) {
		a.stop()
		return nil
	}
	return a
}

// ready waits until the agent closes the pipe, which it does when polkit knows it.
func (a *agent) ready(ctx context.Context, pipe io.Reader) bool {
	closed := make(chan struct{})
	go func() { defer close(closed); _, _ = io.Copy(io.Discard, pipe) }()
	limit := time.NewTimer(agentTimeout)
	defer limit.Stop()
	select {
	case <-closed:
	case <-ctx.Done():
		return false
	case <-limit.C:
		return false
	}
	const moment = 50 * time.Millisecond // an agent that ends closes the pipe as well
	select {
	case <-a.exited:
		return false
	case <-time.After(moment):
		return true
	}
}

// stop ends the agent. a may be nil.
func (a *agent) stop() {
	if a == nil {
		return
	}
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-a.exited:
	case <-time.After(agentTimeout):
		_ = a.cmd.Process.Kill()
	}
}
