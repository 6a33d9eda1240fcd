package dbus

import (
	"context"

	"nmgre/nm"
	"nmgre/nm/dbus/failure"
	"nmgre/nm/dbus/firewalld"
)

var _ nm.Zones = (*Client)(nil)

// ZoneOf implements [nm.Zones].
func (c *Client) ZoneOf(ctx context.Context, dev string) (nm.Zone, error) {
	l, err := c.link(ctx)
	if err != nil {
		return nm.Zone{}, failure.Of("ask for the firewall's zone", err)
	}
	return firewalld.ZoneOf(ctx, l.conn, dev), ctx.Err()
}

// ZoneNames implements [nm.Zones].
func (c *Client) ZoneNames(ctx context.Context) ([]string, error) {
	l, err := c.link(ctx)
	if err != nil {
		return nil, failure.Of("ask for the firewall's zones", err)
	}
	return firewalld.Names(ctx, l.conn)
}

// SetZone implements [nm.Zones].
func (c *Client) SetZone(ctx context.Context, dev, zone string) error {
	l, err := c.link(ctx)
	if err != nil {
		return failure.Of("set the firewall's zone", err)
	}
	return firewalld.SetZone(ctx, l.conn, dev, zone)
}
