package gateway

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"nmgre/routes/gateway/sets"
)

// inSet looks for a key in a set; the key may be longer than those of the set. It is unsure about
// sets that it cannot read, such as those of intervals of several fields.
func (s *survey) inSet(table *nftables.Table, name string, key []byte) (*expr.Verdict, answer) {
	id := fmt.Sprintf("%d %s %s", table.Family, table.Name, name)
	set, known := s.sets[id]
	if !known {
		list, err := s.conn.GetSetElements(&nftables.Set{Table: table, Name: name})
		set = sets.Of(list)
		set.Unknown = set.Unknown || err != nil
		s.sets[id] = set
	}
	return set.Find(key)
}
