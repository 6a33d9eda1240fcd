// Command agent carries commands into the lab and their output back.
//
// Inside the lab it listens, either on the virtio-serial ports of the virtual
// machine or, where the lab runs without one, on a Unix socket:
//
//	agent serve -virtio        (ports named lab.0, lab.1, ...)
//	agent serve -unix PATH
//
// On the machine it runs one command inside and exits with its status:
//
//	agent exec -dir DIR [-tty] [-env NAME=VALUE]... [-timeout SECONDS] -- COMMAND [ARG...]
//
// It also measures the memory of a command, for tests in the lab:
//
//	agent measure COMMAND [ARG...]
//
// DIR holds either the socket agent.sock or the sockets port0, port1, ... of the virtual machine.
// One port serves one command at a time; a lock on portN.lock says that it is taken.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	switch os.Args[1] {
	case "serve":
		os.Exit(serveMain(os.Args[2:]))
	case "exec":
		os.Exit(execMain(os.Args[2:]))
	case "measure":
		os.Exit(measureMain(os.Args[2:]))
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: agent serve -virtio|-unix PATH\n       agent exec -dir DIR [-tty] [-env NAME=VALUE]... [-timeout SECONDS] -- COMMAND [ARG...]\n       agent measure COMMAND [ARG...]")
	os.Exit(2)
}
