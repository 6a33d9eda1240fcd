package release

import (
	"bytes"
	"encoding/json"
	"runtime"
	"runtime/debug"
	"testing"
)

// A build says its commit as far as Go has noted it.
func TestBuild(t *testing.T) {
	set := func(pairs ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{}
		for i := 0; i < len(pairs); i += 2 {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return info
	}
	const commit = "85abec0c1f2d3e4f5061728394a5b6c7d8e9f001"
	for _, c := range []struct {
		info *debug.BuildInfo
		want string
	}{
		{nil, ")"},
		{set("GOARCH", "s390x"), ")"},
		{set("vcs.revision", commit, "vcs.time", "2026-11-29T18:05:14Z", "vcs.modified", "false"), ", commit 85abec0c1f2d, 2026-11-29T18:05:14Z)"},
		{set("vcs.revision", "85abec0", "vcs.time", "2026-11-29T18:05:14Z", "vcs.modified", "true"), ", commit 85abec0 with changes, 2026-11-29T18:05:14Z)"},
	} {
		if got, want := of(c.info).String(), "nmgre "+Version+" ("+runtime.Version()+c.want; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The command's JSON is a [Build].
func TestCommand(t *testing.T) {
	var out bytes.Buffer
	cmd := Command(&out)
	cmd.SetArgs([]string{"--json"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	var got Build
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != This() {
		t.Errorf("%s: %+v, %v", out.String(), got, err)
	}
	cmd.SetArgs([]string{"now"})
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	if err := cmd.Execute(); err == nil {
		t.Error("an argument is taken")
	}
}
