// Package ipsec reads the kernel's IPsec policies and states over netlink (NETLINK_XFRM). Of a
// state it reads whose packets it is for and how long they get, and never its keys.
//
// Begin at [Policies].
package ipsec

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// The library finds the byte order at its first use. Two first uses at once would be a race.
var _ = nl.NativeEndian()

// maxDump bounds the messages of one dump. A busy gateway has some ten thousand policies.
const maxDump = 1 << 20

// Policies returns the policies that count for packets between two ends, in the network namespace
// of the calling thread. It loads no module. It fails with ErrNotPermitted without CAP_NET_ADMIN.
func Policies(ctx context.Context, between kernel.IPsecEnds) (kernel.IPsecPolicies, error) {
	if !loaded() {
		return kernel.IPsecPolicies{}, ctx.Err()
	}
	out, in := chosen{ends: between}, chosen{ends: reversed(between)}
	err := dump(ctx, nl.XFRM_MSG_GETPOLICY, nl.XFRM_MSG_NEWPOLICY, func(message []byte) {
		p, ok := readPolicy(message)
		switch {
		case !ok:
		case p.dir == netlink.XFRM_DIR_OUT:
			out.offer(p)
		case p.dir == netlink.XFRM_DIR_IN:
			in.offer(p)
		}
	})
	if err == nil && (len(out.wants) > 0 || len(in.wants) > 0) {
		err = dump(ctx, nl.XFRM_MSG_GETSA, nl.XFRM_MSG_NEWSA, func(message []byte) {
			if s, ok := readState(message); ok {
				out.found(s)
				in.found(s)
			}
		})
	}
	return kernel.IPsecPolicies{Out: out.policy, In: in.policy}, err
}

func reversed(e kernel.IPsecEnds) kernel.IPsecEnds {
	e.Local, e.Remote = e.Remote, e.Local
	return e
}

// chosen is the policy for the packets of one direction: from ends.Local to ends.Remote.
type chosen struct {
	ends   kernel.IPsecEnds
	policy *kernel.IPsecPolicy
	wants  []template // of the policy
}

// offer takes the policy if it selects the packets, and comes before the one that was taken. Of two
// with one priority the kernel keeps the older one in front.
func (c *chosen) offer(p policy) {
	if !p.selects(c.ends) || c.policy != nil && c.policy.Priority <= p.Priority {
		return
	}
	c.policy, c.wants = &p.IPsecPolicy, p.templates
	for i := range c.wants {
		c.wants[i].fill(c.ends)
		c.policy.Templates = append(c.policy.Templates, c.wants[i].IPsecTemplate)
	}
}

// found notes a state.
func (c *chosen) found(s state) {
	for i, want := range c.wants {
		if s.fits(want) {
			t := &c.policy.Templates[i]
			t.State = true
			if len(t.States) < kernel.MaxIPsecStates && !slices.Contains(t.States, s.sizes) {
				t.States = append(t.States, s.sizes)
			}
		}
	}
}

// loaded reports whether the kernel has a socket of its own for IPsec: opening another would load
// the module. It is true if that cannot be read.
func loaded() bool {
	file, err := os.Open("/proc/thread-self/net/netlink")
	if err != nil {
		return true
	}
	defer func() { _ = file.Close() }() // nothing was written
	return listed(file)
}

// listed finds the kernel's socket for IPsec in the kernel's list of netlink sockets: a line is
// "sk Eth Pid Groups ...", and the kernel itself has the number 0.
func listed(list io.Reader) bool {
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) > 2 && words[1] == fmt.Sprint(unix.NETLINK_XFRM) && words[2] == "0" {
			return true
		}
	}
	return lines.Err() != nil
}

// dump asks for a whole table, and calls take with each message of it.
func dump(ctx context.Context, ask int, reply uint16, take func(message []byte)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := 0
	req := nl.NewNetlinkRequest(ask, unix.NLM_F_DUMP)
	err := req.ExecuteIter(unix.NETLINK_XFRM, reply, func(message []byte) bool {
		take(message)
		n++
		return n < maxDump && ctx.Err() == nil
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, nl.ErrDumpInterrupted): // the table changed meanwhile
		return nil
	case errors.Is(err, unix.EPERM):
		return &fault.Error{Kind: fault.ErrNotPermitted, What: "read the IPsec policies", Hint: fault.HintRoot, Err: err}
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return nil // this kernel has no IPsec
	case err != nil:
		return &fault.Error{What: "read the IPsec policies", Err: err}
	}
	return nil
}
