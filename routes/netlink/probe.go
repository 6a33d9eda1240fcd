package netlink

import (
	"context"
	"crypto/rand"
	"fmt"

	"nmgre/routes/echo"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// Probe sends ICMP or ICMPv6 echo requests out of p.Dev and says what came back. Answers count that
// come in by that device, from p.To, with this probe's own payload, each once.
//
// It uses a raw socket, or else the kernel's ping socket (see ping_group_range in icmp(7)); without
// either it fails with ErrNotPermitted. It fails with ErrInvalid if the count is not 1 to 10, the
// interval is below 10 ms, or the device or p.From is not there, and with ErrUnreachable if this
// host has nowhere to send to. A failure after the first request comes with what was found by then,
// so does the end of ctx, which ends the probe at once. A far end that is silent or refuses is no
// error.
//
// Refusals name their sender, which may be this host: its kernel answers so for a tunnel whose
// packets came back.
func (k *Kernel) Probe(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error) {
	what := fmt.Sprintf("probe %s by %s", fault.Printable(p.To.String()), fault.Printable(p.Dev))
	if err := echo.CheckProbe(p); err != nil {
		return kernel.ProbeResult{}, wire.Wrap(what, err)
	}
	link, err := k.linkByName(ctx, p.Dev)
	if err != nil {
		return kernel.ProbeResult{}, wire.Wrap(what, err)
	}
	socket, err := echo.OpenEcho(p, link)
	if err != nil {
		return kernel.ProbeResult{}, wire.Wrap(what, err)
	}
	defer socket.Close()
	run := echo.EchoRun{Socket: socket, Probe: p, Echoes: echo.Echoes{To: p.To, Id: socket.Id}}
	_, _ = rand.Read(run.Echoes.Nonce[:]) // never fails
	err = run.Do(ctx)
	return run.Echoes.Result, wire.Wrap(what, err)
}
