package byhand

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// ruleHeaderSize is the size of struct fib_rule_hdr.
const ruleHeaderSize = 12

// ruleBy returns the message of the same rule of another protocol. The kernel has both.
func ruleBy(m []byte, protocol byte) ([]byte, error) {
	body, err := without(m, ruleHeaderSize, fraProtocol)
	return wire.AppendAttribute(body, fraProtocol, []byte{protocol}), err
}

// change replaces a rule with the same one of another protocol. There is always one of the two.
func change(ctx context.Context, m []byte, protocol byte) error {
	body, err := ruleBy(m, protocol)
	if err == nil {
		err = send(ctx, unix.RTM_NEWRULE, unix.NLM_F_CREATE, body)
	}
	if err != nil {
		return err
	}
	return send(ctx, unix.RTM_DELRULE, 0, m, unix.ENOENT)
}

// heldAs returns the protocol of a rule that is held; ok is false for one that cannot be.
func heldAs(r kernel.HeldRule) (protocol byte, ok bool) {
	const most = kernel.StandInProtocol - kernel.HeldProtocol - 1
	if r.Protocol < 0 || r.Protocol > most {
		return 0, false
	}
	return byte(kernel.HeldProtocol + r.Protocol), true
}

// isHeld says whether the protocol of r is one that [Hands.Hold] gives to rules.
func isHeld(r kernel.HeldRule) bool {
	return r.Protocol >= kernel.HeldProtocol && r.Protocol < kernel.StandInProtocol
}

// Hold makes rules those of nmgre while it works, as [kernel.Hands] describes.
func (h Hands) Hold(ctx context.Context, b kernel.ByHand, rules []int) error {
	for _, i := range rules {
		protocol, ok := heldAs(b.Rules[i])
		if !ok {
			continue
		}
		if err := change(ctx, b.Raw.Rules[i], protocol); err != nil {
			return fmt.Errorf("hold the rule %s: %w", b.Rules[i].Rule, err)
		}
	}
	return nil
}

// Release gives all rules back that Hold has made, with the protocols that they had.
func (h Hands) Release(ctx context.Context) error {
	r := reading{hands: h}
	if err := r.rules(ctx); err != nil {
		return err
	}
	for i, held := range r.b.Rules {
		if !isHeld(held) {
			continue
		}
		if err := change(ctx, r.b.Raw.Rules[i], byte(held.Protocol-kernel.HeldProtocol)); err != nil { //nolint:gosec // 0 to 3
			return fmt.Errorf("release the rule %s: %w", held.Rule, err)
		}
	}
	return nil
}
