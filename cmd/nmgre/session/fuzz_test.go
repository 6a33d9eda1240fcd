package session

import "testing"

// FuzzSession reads sshd's words on a connection, and the kernel's on a process, from any text.
func FuzzSession(f *testing.F) {
	f.Add("192.0.2.1 5000 192.0.2.2 22", "7 (a) b) S 3 7 7 0")
	f.Add("fe80::1%eth0 1 2", "")
	f.Add("::ffff:192.0.2.1", ") x 99999999999999999999")
	f.Fuzz(func(t *testing.T, connection, stat string) {
		if s := sessionOf(connection); s.Server.IsValid() && !s.Client.IsValid() {
			t.Errorf("%q is %+v", connection, s)
		}
		_ = parentOf(stat)
	})
}
