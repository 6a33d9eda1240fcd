package store

import (
	"bufio"
	"fmt"
	"io"
	"slices"

	"nmgre/routes/fault"
)

// maxDevices bounds the number of devices whose forwarding is remembered.
const maxDevices = 10_000

// beforeLines returns a line for each device, its name and 0 or 1, in the order of the names.
func beforeLines(before map[string]bool) []string {
	var lines []string
	for dev, on := range before {
		lines = append(lines, fmt.Sprintf("%s %d\n", dev, map[bool]int{true: 1}[on]))
	}
	slices.Sort(lines)
	return lines
}

// readBefore reads the lines of beforeLines.
func readBefore(r io.Reader) (map[string]bool, error) {
	before := make(map[string]bool)
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		var dev, rest string
		var on int
		if found, _ := fmt.Sscan(lines.Text(), &dev, &on, &rest); found != 2 || len(dev) > 15 || on != 0 && on != 1 || n > maxDevices {
			return nil, &fault.Error{What: fmt.Sprintf("line %d, \"%.80s\", is not a device's name with 0 or 1", n, fault.Printable(lines.Text())),
				Hint: "remove the line from /" + runDir + "/" + beforeFile}
		}
		before[dev] = on == 1
	}
	return before, lines.Err()
}
