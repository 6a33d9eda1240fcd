package evidence

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// maxCounters bounds how much of a file of counters is read, in bytes. Linux 6.12 has 6,000 in the
// longer one.
const maxCounters = 64 << 10

// counters are the kernel's files of counters. An open one stays with its network namespace,
// whichever thread reads it.
type counters struct {
	netstat, snmp *os.File
	xfrm          *os.File // nil if the kernel does not count for IPsec
	before        kernel.HostCounters
}

// openCounters opens the files of the calling thread's namespace, and reads them.
func openCounters() (*counters, error) {
	const folder = "/proc/thread-self/net/"
	netstat, err := os.Open(folder + "netstat")
	if err != nil {
		return nil, &fault.Error{What: "read the kernel's counters", Err: err}
	}
	snmp, err := os.Open(folder + "snmp")
	if err != nil {
		_ = netstat.Close()
		return nil, &fault.Error{What: "read the kernel's counters", Err: err}
	}
	c := &counters{netstat: netstat, snmp: snmp}
	c.xfrm, _ = os.Open(folder + "xfrm_stat")
	if c.before, err = c.read(); err != nil {
		c.close()
		return nil, &fault.Error{What: "read the kernel's counters", Err: err}
	}
	return c, nil
}

func (c *counters) close() {
	_ = c.netstat.Close()
	_ = c.snmp.Close()
	_ = c.xfrm.Close() // an error where there is none
}

// growth returns how much the counters have grown since the files were opened.
func (c *counters) growth() kernel.HostCounters {
	now, err := c.read()
	if err != nil {
		return kernel.HostCounters{}
	}
	return growth(c.before, now)
}

// growth returns how much the counters have grown between two readings.
func growth(before, now kernel.HostCounters) kernel.HostCounters {
	return kernel.HostCounters{
		ReversePathFilter: grown(before.ReversePathFilter, now.ReversePathFilter),
		InAddrErrors:      grown(before.InAddrErrors, now.InAddrErrors),
		IPsecOutNoState:   grown(before.IPsecOutNoState, now.IPsecOutNoState),
		IPsecOutBlocked:   grown(before.IPsecOutBlocked, now.IPsecOutBlocked),
		IPsecInBlocked:    grown(before.IPsecInBlocked, now.IPsecInBlocked),
		IPsecInRefused:    grown(before.IPsecInRefused, now.IPsecInRefused),
	}
}

// grown returns the growth of a counter. Those of a file whose processor left are less than before.
func grown(before, now uint64) uint64 { return max(now, before) - before }

func (c *counters) read() (h kernel.HostCounters, err error) {
	netstat, err := whole(c.netstat)
	if err != nil {
		return h, err
	}
	snmp, err := whole(c.snmp)
	if err != nil {
		return h, err
	}
	var found [2]bool
	h.ReversePathFilter, found[0] = counter(netstat, "TcpExt:", "IPReversePathFilter")
	h.InAddrErrors, found[1] = counter(snmp, "Ip:", "InAddrErrors")
	if !found[0] || !found[1] {
		return h, errors.New("this kernel does not have them")
	}
	c.readIPsec(&h)
	return h, nil
}

// readIPsec reads the counters of IPsec, where there are any.
func (c *counters) readIPsec(h *kernel.HostCounters) {
	if c.xfrm == nil {
		return
	}
	text, err := whole(c.xfrm)
	if err != nil {
		return
	}
	h.IPsecOutNoState, h.IPsecOutBlocked = single(text, "XfrmOutNoStates"), single(text, "XfrmOutPolBlock")
	h.IPsecInBlocked = single(text, "XfrmInPolBlock")
	h.IPsecInRefused = single(text, "XfrmInTmplMismatch") + single(text, "XfrmInNoPols")
}

// single finds a counter in the text of a file that has a name and a number in each line. It is 0
// if it is not there.
func single(text, name string) uint64 {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) == 2 && words[0] == name {
			n, err := strconv.ParseUint(words[1], 10, 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}

// whole reads a file from its beginning.
func whole(f *os.File) (string, error) {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, maxCounters))
	return string(b), err
}

// counter finds a counter in the text of a file. Each group has a line of names and below it a line
// of numbers, and both begin with the group's name.
func counter(text, group, name string) (uint64, bool) {
	var names []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != group {
			continue
		}
		if names == nil {
			names = words
			continue
		}
		for i, word := range words {
			if i < len(names) && names[i] == name {
				n, err := strconv.ParseUint(word, 10, 64)
				return n, err == nil
			}
		}
		return 0, false
	}
	return 0, false
}
