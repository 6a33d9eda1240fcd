package main

import (
	"errors"
	"testing"

	"nmgre/cmd/nmgre/checkup"
)

// Before the first frame NetworkManager is asked for nothing that takes longer the more profiles it
// has.
func TestFirstAsksForNoList(t *testing.T) {
	w := newWorld(t)
	d, closeAll, err := w.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	before := len(w.bus.Calls())
	h := checkup.Host{Root: w.root, Bus: w.bus.Address(), Open: w.open}
	if err := h.First(t.Context(), d, nil); err != nil {
		t.Fatal(err)
	}
	calls := w.bus.Calls()[before:]
	if len(calls) != 1 || calls[0].Member != "GetConnectionByUuid" {
		t.Errorf("NetworkManager was asked for %v", calls)
	}
	other := errors.New("another error")
	if err := h.First(t.Context(), d, other); !errors.Is(err, other) {
		t.Errorf("the error of the doors became %v", err)
	}
}
