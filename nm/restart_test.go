package nm

import (
	"errors"
	"testing"
	"time"

	"nmgre"
)

// TestDeleteWhileStarting has a NetworkManager that is starting: it may come to know the profile yet, and the link of one on trial.
func TestDeleteWhileStarting(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, 10*time.Second)
	bus.SetStarting(true)
	if err := c.Delete(ctx, testUUID); !errors.Is(err, nmgre.ErrNoNetworkManager) {
		t.Errorf("a profile that is not there: %v", err)
	}
	add(t, c)
	if err := c.Delete(ctx, testUUID); !errors.Is(err, nmgre.ErrNoNetworkManager) {
		t.Errorf("a profile on trial: %v", err)
	}
	if n := len(bus.Profiles()); n != 1 {
		t.Errorf("%d profiles are there", n)
	}
	if err := c.Save(ctx, testUUID); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(ctx, testUUID); err != nil {
		t.Errorf("one that is on disk: %v", err)
	}
	bus.SetStarting(false)
	if err := c.Delete(ctx, testUUID); err != nil {
		t.Errorf("one that is gone: %v", err)
	}
}
