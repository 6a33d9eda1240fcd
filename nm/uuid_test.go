package nm

import (
	"strings"
	"testing"

	"nmgre/routes/keep"
)

func TestIsUUID(t *testing.T) {
	for _, s := range []string{NewUUID(), "00000000-0000-4000-8000-000000000001", "ABCDEFAB-cdef-4000-8000-000000000001"} {
		if !keep.IsUUID(s) {
			t.Errorf("IsUUID(%q) = false", s)
		}
	}
	for _, s := range []string{"", "eth0", "00000000-0000-4000-8000-00000000000", "00000000-0000-4000-8000-0000000000011", "00000000x0000-4000-8000-000000000001", "g0000000-0000-4000-8000-000000000001"} {
		if keep.IsUUID(s) {
			t.Errorf("IsUUID(%q) = true", s)
		}
	}
}

func TestNewUUID(t *testing.T) {
	a, b := NewUUID(), NewUUID()
	if a == b || !keep.IsUUID(a) || a[14] != '4' || !strings.ContainsRune("89ab", rune(a[19])) {
		t.Errorf("NewUUID: %s, %s", a, b)
	}
}
