package foreign

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/around"
	"nmgre/nm/notation/every"
)

// The help, from which the manual page is made, lists each notation with all that it cannot hold,
// as the notation's own table has it, and says which of them are written only.
func TestHelpListsTheNotations(t *testing.T) {
	cmd := Command(App{around.Program{Flags: func(cmd *cobra.Command, wait *time.Duration, _ *bool) { cmd.Flags().DurationVar(wait, "wait", 0, "") }}})
	if !strings.HasSuffix(cmd.Long, every.Table()) {
		t.Errorf("the help does not end with the table:\n%s", cmd.Long)
	}
	entries := strings.Split("\n"+every.Table(), "\n- ")[1:]
	for i, k := range every.Kinds() {
		entry := strings.Join(strings.Fields(entries[i]), " ")
		if !strings.HasPrefix(entry, k.Name) || strings.Contains(entry, "written only") != (k.Read == nil) {
			t.Errorf("%s: %s", k.Name, entry)
		}
		for _, lack := range k.Holds.Lacks() {
			if !strings.Contains(entry, lack) {
				t.Errorf("%s does not say that it cannot hold %s: %s", k.Name, lack, entry)
			}
		}
	}
}
