package netlink

import (
	"testing"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/netlink/wire"
)

// answerTo makes the kernel's answer to the message with a sequence number: an errno, the header of
// the message, and words.
func answerTo(seq uint32, errno unix.Errno, words string) []byte {
	body := wire.Native.AppendUint32(nil, uint32(-int32(errno))) //nolint:gosec // the kernel's form
	repeated := make([]byte, unix.SizeofNlMsghdr)
	wire.Native.PutUint32(repeated, unix.SizeofNlMsghdr)
	body = wire.AppendAttribute(append(body, repeated...), 1, append([]byte(words), 0))
	b := make([]byte, unix.SizeofNlMsghdr)
	wire.Native.PutUint32(b, uint32(len(b)+len(body)))
	wire.Native.PutUint16(b[4:], unix.NLMSG_ERROR)
	wire.Native.PutUint16(b[6:], 0x200|0x100)
	wire.Native.PutUint32(b[8:], seq)
	return append(b, body...)
}

// FuzzAnswers reads the kernel's answers to a batch from any bytes.
func FuzzAnswers(f *testing.F) {
	f.Add(append(answerTo(7, unix.EEXIST, "it is there"), answerTo(9, 0, "")...))
	f.Add(answerTo(8, unix.EPERM, "\x1b[31m"))
	f.Add(answerTo(7, unix.ESRCH, "")[:30])
	f.Fuzz(func(t *testing.T, datagram []byte) {
		refused := 0
		b := batch{refuse: func(index int, _ uint16, err error) {
			if refused++; index < 0 || index > 1 || err == nil {
				t.Errorf("message %d is refused: %v", index, err)
			}
		}}
		_, err := b.takeAnswers(datagram, []int{0, removal, 1}, 7)
		if err != nil && !fault.IsPrintable(err.Error()) {
			t.Errorf("the error is %q", err)
		}
		if refused > len(datagram)/unix.SizeofNlMsghdr {
			t.Errorf("%d refusals in %d bytes", refused, len(datagram))
		}
	})
}
