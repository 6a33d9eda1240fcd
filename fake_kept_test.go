package nmgre

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// keptWorld is root's files and the forwarding half of the kernel, of a host that exists in memory only.
type keptWorld struct {
	files      map[string]Kept
	before     map[string]bool
	others     bool // the hook is called for other connections too
	hook       error
	rules      []Rule
	forwarding map[string]bool
	obstacles  []Obstacle
	fileErr    error // of reading the files, beside those that could be read
}

func newKeptWorld() keptWorld {
	return keptWorld{files: make(map[string]Kept), forwarding: make(map[string]bool)}
}

// String prints what a command may change; a UUID is chosen at random.
func (k *keptWorld) String() string {
	var lines []string
	for _, f := range k.files {
		lines = append(lines, fmt.Sprintf("file of %s: remote %s inner %v routes %v snat %v forward %v clamp %v pin %v\n",
			f.Name, f.Remote, f.Inner, f.Routes, f.SNAT, f.Forward, f.ClampMSS, f.Pin))
	}
	for dev, on := range k.before {
		lines = append(lines, fmt.Sprintf("before: %s forwarded %v\n", dev, on))
	}
	for dev, on := range k.forwarding {
		if on {
			lines = append(lines, "forwarding "+dev+"\n")
		}
	}
	for _, r := range k.rules {
		lines = append(lines, fmt.Sprintf("rule: %s\n", r.summary()))
	}
	if k.others {
		lines = append(lines, "the hook is called for other connections\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (p *process) keeper() *LocalKeeper {
	return &LocalKeeper{Tunnels: TunnelsOf{p}, Kernel: fakeKernel{p}, Gateway: p, Store: fakeStore{p}}
}

// root fails for those who are not.
func (p *process) root(what string) error {
	if !p.CanChange() {
		return &Error{Kind: ErrNotPermitted, What: what, Hint: "run it with sudo"}
	}
	return nil
}

func (p *process) Lock(ctx context.Context) (func(), error) {
	err := p.call(ctx, "Lock", func() error {
		if err := p.root("lock"); err != nil {
			return err
		}
		p.locked = true
		return nil
	})
	return func() { p.locked = false }, err
}

func (p *process) All(ctx context.Context, except ...string) (list []Kept, err error) {
	err = p.call(ctx, "All", func() error {
		return nil
	})
	if err != nil {
		return nil, err
	}
	list = []Kept{}
	for _, uuid := range slices.Sorted(maps.Keys(p.files)) {
		if !slices.Contains(except, uuid) {
			list = append(list, p.files[uuid].Clone())
		}
	}
	return list, p.fileErr
}

func (p *process) UUIDs(ctx context.Context) (list []string, err error) {
	err = p.call(ctx, "UUIDs", func() error {
		list = slices.Sorted(maps.Keys(p.files))
		return nil
	})
	return list, err
}

// fakeStore is the process as a Store, whose Get and Delete are others than the profiles'.
type fakeStore struct{ *process }

func (s fakeStore) Get(ctx context.Context, uuid string) (k Kept, err error) {
	if err := cmp.Or(s.call(ctx, "Read", func() error { return nil }), s.fileErr); err != nil {
		return Kept{}, err
	}
	k, ok := s.files[uuid]
	if !ok {
		return Kept{}, &Error{Kind: ErrNotFound, What: "nothing is kept for " + uuid}
	}
	stamp := fmt.Sprint(k)
	k = k.Clone()
	k.Stamp = stamp
	return k, nil
}

func (s fakeStore) Put(ctx context.Context, k Kept) (back func(context.Context) error, err error) {
	old, there := s.files[k.UUID]
	stamp := StampNone
	if there {
		stamp = fmt.Sprint(old)
	}
	write := func(k Kept, keep bool) func() error {
		return func() error {
			if err := s.root("write"); err != nil {
				return err
			}
			delete(s.files, k.UUID)
			if keep {
				k.Stamp = ""
				s.files[k.UUID] = k.Clone()
			}
			return nil
		}
	}
	if k.Stamp != "" && k.Stamp != stamp {
		return nil, &Error{Kind: ErrChanged, What: "the file is another"}
	}
	back = func(ctx context.Context) error {
		old.UUID = k.UUID
		return s.call(ctx, "Write", write(old, there))
	}
	return back, s.call(ctx, "Write", write(k, !k.Empty()))
}

func (s fakeStore) Delete(ctx context.Context, uuid string) error {
	return s.call(ctx, "Erase", func() error {
		if err := s.root("erase"); err != nil {
			return err
		}
		delete(s.files, uuid)
		return nil
	})
}

func (p *process) Remembered(ctx context.Context) (before map[string]bool, err error) {
	err = p.call(ctx, "Remembered", func() error { before = maps.Clone(p.before); return nil })
	return before, err
}

func (p *process) Remember(ctx context.Context, before map[string]bool) error {
	return p.call(ctx, "Remember", func() error { p.before = maps.Clone(before); return nil })
}

func (s fakeStore) Watch(ctx context.Context, others bool) error {
	return s.call(ctx, "Watch", func() error { s.others = others; return nil })
}

func (p *process) HookMissing(ctx context.Context) error {
	return p.call(ctx, "HookMissing", func() error { return p.hook })
}

func (p *process) Missing(ctx context.Context, want []Rule) (missing []int, err error) {
	err = p.call(ctx, "Missing", func() error {
		for i, r := range want {
			if !slices.Contains(p.rules, r) {
				missing = append(missing, i)
			}
		}
		return p.root("read the rules")
	})
	return missing, err
}

func (p *process) SetRules(ctx context.Context, want []Rule) (changed bool, err error) {
	err = p.call(ctx, "SetRules", func() error {
		changed = !slices.Equal(p.rules, want)
		p.rules = slices.Clone(want)
		return nil
	})
	return changed, err
}

func (p *process) Forwarding(ctx context.Context, dev string) (on bool, err error) {
	err = p.call(ctx, "Forwarding", func() error {
		if dev != "all" && p.link(dev) == nil {
			return &Error{Kind: ErrNotFound, What: "no device " + dev}
		}
		on = p.forwarding[dev]
		return nil
	})
	return on, err
}

func (p *process) SetForwarding(ctx context.Context, dev string, on bool) error {
	return p.call(ctx, "SetForwarding", func() error {
		if p.link(dev) == nil {
			return &Error{Kind: ErrNotFound, What: "no device " + dev}
		}
		p.forwarding[dev] = on
		return nil
	})
}

func (p *process) Obstacles(ctx context.Context, _ []string) (list []Obstacle, err error) {
	err = p.call(ctx, "Obstacles", func() error {
		list = slices.Clone(p.obstacles)
		return p.root("look for firewalls")
	})
	return list, err
}
