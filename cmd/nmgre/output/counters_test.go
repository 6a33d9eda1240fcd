package output

import (
	"encoding/json"
	"reflect"
	"testing"

	"nmgre/routes/kernel"
)

// Every counter has the name of the others' style, beside its first one.
func TestCountersHaveBothNames(t *testing.T) {
	var counters kernel.Counters
	v := reflect.ValueOf(&counters).Elem()
	for i := range v.NumField() {
		v.Field(i).SetUint(uint64(i) + 1)
	}
	text, err := json.Marshal(newCounters(counters))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]uint64
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	values := make(map[uint64]int)
	for _, value := range got {
		values[value]++
	}
	for i := range v.NumField() {
		if values[uint64(i)+1] != 2 {
			t.Errorf("%s stands there %d times: %s", v.Type().Field(i).Name, values[uint64(i)+1], text)
		}
	}
	if got["rx_packets"] != got["RxPackets"] || got["rx_crc_errors"] != got["RxCRCErrors"] {
		t.Errorf("%s", text)
	}
}
