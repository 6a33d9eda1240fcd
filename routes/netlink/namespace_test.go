package netlink

import (
	"testing"

	"nmgre/testdata/netns"
)

// namespace is a network namespace of a test's own, with its Kernel.
type namespace struct {
	*netns.Namespace
	kernel *Kernel
}

// newNamespace makes a namespace with nothing but its loopback device, which is up. The test is
// skipped without root.
func newNamespace(t testing.TB) *namespace {
	t.Helper()
	ns := &namespace{Namespace: netns.New(t)}
	if err := ns.Do(func() (err error) { ns.kernel, err = New(); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.kernel.Close() })
	return ns
}

// cable joins two namespaces, as [netns.Cable] does.
func cable(a *namespace, deviceA string, b *namespace, deviceB string, n int) {
	a.T.Helper()
	netns.Cable(a.Namespace, deviceA, b.Namespace, deviceB, n)
}

// nothing takes the messages of an answer that has none.
func nothing([]byte) error { return nil }
