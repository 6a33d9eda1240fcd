package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// protect has IPsec protect GRE between linux1 and linux2, on both hosts and in both directions.
func protect(t *testing.T, mode, algorithms string) {
	t.Helper()
	const near, far = "100.0.1.100", "100.0.2.100"
	for _, host := range []struct {
		lab.Host
		own, other string
	}{{lab.Linux1, near, far}, {lab.Linux2, far, near}} {
		t.Cleanup(func() { host.Run(t, "sh", "-c", noIPsec) })
		for spi, way := range [][2]string{{near, far}, {far, near}} {
			dir := "in"
			if way[0] == host.own {
				dir = "out"
			}
			ends := "src " + way[0] + " dst " + way[1]
			host.Run(t, "sh", "-e", "-c", fmt.Sprintf("ip xfrm state add %s proto esp spi 0x%x mode %s %s; ip xfrm policy add %s proto 47 dir %s tmpl %s proto esp mode %s",
				ends, 0x1001+spi, mode, algorithms, ends, dir, ends, mode))
		}
	}
}

// The MTU that create chooses is the largest that the kernel carries through IPsec: a packet of it
// arrives, and the kernel says of a packet that is one byte longer which size would have fitted.
func TestLabIPsecIsCounted(t *testing.T) {
	lab.Need(t)
	const aes = "enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff auth-trunc 'hmac(sha256)' 0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff 128"
	const gcm = "aead 'rfc4106(gcm(aes))' 0x00112233445566778899aabbccddeeff01020304 128"
	for _, test := range []struct {
		name, mode, algorithms string
		// linux2 has no program that takes ESP out of UDP
		lost bool
	}{
		{"transport mode", "transport", aes, false},
		{"tunnel mode", "tunnel", aes, false},
		{"AES-GCM in transport mode", "transport", gcm, false},
		{"AES-GCM in tunnel mode", "tunnel", gcm, false},
		{"ESP in UDP", "transport", aes + " encap espinudp 4500 4500 0.0.0.0", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			protect(t, test.mode, test.algorithms)
			nmgreOn(t, lab.Linux2, exitDone, "create", "--peer", "100.0.1.100", "--address", "172.16.0.2/30", "--no-probe")
			defer nmgreOn(t, lab.Linux2, exitDone, "delete", "gre1")
			made := nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe")
			defer nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
			for _, word := range []string{" (IPsec) - 20 (IPv4) - 4 (GRE) = ", "IPsec to 100.0.2.100 takes "} {
				if !strings.Contains(made.Stderr, word) {
					t.Errorf("create does not say %q:\n%s", word, made.Stderr)
				}
			}
			mtu, err := strconv.Atoi(strings.TrimSpace(lab.Linux1.Run(t, "cat", "/sys/class/net/gre1/mtu")))
			if err != nil {
				t.Fatal(err)
			}
			if !test.lost {
				lab.Linux1.Run(t, "ping", "-n", "-M", "do", "-c", "1", "-W", "5", "-s", strconv.Itoa(mtu-28), "172.16.0.2")
				if got := checkNamed(t, nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--json").Stdout, "mtu"); got.Status != "pass" {
					t.Errorf("verify says of the MTU %+v", got)
				}
			}
			lab.Linux1.Run(t, "ip", "link", "set", "gre1", "mtu", "1500")
			long := lab.Linux1.Try("ping", "-n", "-M", "do", "-c", "2", "-W", "1", "-s", strconv.Itoa(mtu+1-28), "172.16.0.2")
			if told := fmt.Sprintf("mtu = %d)", mtu); !strings.Contains(long.Stdout+long.Stderr, told) {
				t.Errorf("nmgre chose %d, and ping does not say %q:\n%s%s", mtu, told, long.Stdout, long.Stderr)
			}
		})
	}
}
