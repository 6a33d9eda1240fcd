package far

import (
	"context"
	"slices"
	"sync"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/kernel"
)

// moment is a host as it is at one moment: the greeting and the plans of a conversation look at it
// once. The plans are carried out on the host itself.
type moment struct {
	host  *nmgre.Host
	view  *nmgre.Host
	taken time.Time
}

// fresh is how long a look at the host counts. A person may take longer to answer ssh.
const fresh = 5 * time.Second

// now returns the host for plans, which looks at it anew if the last look is too old.
func (m *moment) now() *nmgre.Host {
	if m.view == nil || time.Since(m.taken) > fresh {
		view := *m.host
		view.Kernel, view.Profiles = kernel.Once(m.host.Kernel), &profiles{Profiles: m.host.Profiles}
		m.view, m.taken = &view, time.Now()
	}
	return m.view
}

// profiles are NetworkManager's profiles at one moment.
type profiles struct {
	nm.Profiles
	mu      sync.Mutex
	list    []nm.Profile
	listed  bool
	manager *nm.Manager
}

// List implements [nm.Profiles]. A list with an abandoned profile is not remembered: whoever reads
// it removes that profile.
func (p *profiles) List(ctx context.Context) ([]nm.Profile, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listed {
		return slices.Clone(p.list), nil
	}
	list, err := p.Profiles.List(ctx)
	if err == nil && !slices.ContainsFunc(list, func(one nm.Profile) bool { return one.Abandoned }) {
		p.list, p.listed = slices.Clone(list), true
	}
	return list, err
}

// Manager implements [nm.Profiles].
func (p *profiles) Manager(ctx context.Context) (nm.Manager, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.manager != nil {
		return *p.manager, nil
	}
	m, err := p.Profiles.Manager(ctx)
	if err == nil {
		p.manager = &m
	}
	return m, err
}
