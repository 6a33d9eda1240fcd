package wire

import (
	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// routeMetrics are the metrics of a route (RTA_METRICS). Most routes with metrics have only an MTU;
// it is a field of its own, so that reading it allocates nothing.
type routeMetrics struct {
	mtu  uint32
	lock uint32 // a bit for each locked metric: 1<<metric
	// The other metrics, shared with the route that this was made from: not to be changed. Their
	// locks stand in lock.
	more *routes.Metrics
}

// MTU returns the route's MTU in bytes (RTAX_MTU); 0 if the message has none.
func (w *Route) MTU() uint32 { return w.metrics.mtu }

// newRouteMetrics returns the metrics of a route.
func newRouteMetrics(r *routes.Route) routeMetrics {
	m := routeMetrics{mtu: r.MTU}
	if r.MTULock {
		m.lock = 1 << routes.MetricMTU
	}
	if r.Metrics == nil {
		return m
	}
	m.lock |= r.Metrics.Lock
	if _, found := r.Metrics.Get(routes.MetricRTOMin); found {
		m.lock |= 1 << routes.MetricRTOMin // as `ip route` does it
	}
	if r.Metrics.Set>>firstValued != 0 || r.Metrics.CongCtl != "" {
		m.more = r.Metrics
	}
	return m
}

// The metrics behind the MTU, all of which but one (congctl) have a number for a value.
const (
	firstValued = routes.MetricWindow
	lastValued  = routes.MetricFastOpen
)

// append appends RTA_METRICS; nothing if there are no metrics.
func (m routeMetrics) append(b []byte) []byte {
	if m.mtu == 0 && m.lock == 0 && m.more == nil {
		return b
	}
	b, start := openAttribute(b, unix.RTA_METRICS)
	if m.mtu != 0 {
		b = AppendUint32(b, unix.RTAX_MTU, m.mtu)
	}
	if m.more != nil {
		b = appendMore(b, m.more)
	}
	if m.lock != 0 {
		b = AppendUint32(b, unix.RTAX_LOCK, m.lock)
	}
	return closeAttribute(b, start)
}

func appendMore(b []byte, m *routes.Metrics) []byte {
	for metric := firstValued; metric <= lastValued; metric++ {
		if metric == routes.MetricCongCtl && m.CongCtl != "" {
			b = AppendAttribute(b, uint16(metric), []byte(m.CongCtl))
		} else if value, found := m.Get(metric); found && metric != routes.MetricCongCtl {
			b = AppendUint32(b, uint16(metric), value)
		}
	}
	return b
}

// metrics reads RTA_METRICS. It sets foreign when there is a metric that nmgre does not know.
func (r *Reader) metrics(v []byte, foreign *bool) routeMetrics {
	var m routeMetrics
	a := attributes{rest: v}
	for a.next() && r.Err == nil {
		switch metric := routes.Metric(min(a.kind, 0xff)); {
		case metric == routes.MetricMTU:
			m.mtu = r.Uint32(a.value)
		case metric == routes.MetricLock:
			m.lock = r.Uint32(a.value)
		case metric < firstValued || metric > lastValued:
			*foreign = true
		case metric == routes.MetricCongCtl:
			m.others().CongCtl = congCtl(a.value, foreign)
		default:
			m.others().Put(metric, r.Uint32(a.value))
		}
	}
	if r.Err == nil {
		r.Err = a.err
	}
	return m
}

func (m *routeMetrics) others() *routes.Metrics {
	if m.more == nil {
		m.more = new(routes.Metrics)
	}
	return m.more
}

// maxCongCtl bounds the name of a congestion control algorithm, in bytes (TCP_CA_NAME_MAX without
// the zero at its end).
const maxCongCtl = 15

// congCtl reads an algorithm's name, with or without a zero byte at its end.
func congCtl(v []byte, foreign *bool) string {
	name := unix.ByteSliceToString(v)
	if name == "" || len(name) > maxCongCtl || fault.Printable(name) != name {
		*foreign = true
		return ""
	}
	return name
}

// value returns a metric as the kernel would hold it: the kernel limits some, and 0 means absent.
func (m routeMetrics) value(metric routes.Metric) uint32 {
	if metric == routes.MetricMTU {
		return min(m.mtu, 65535-15)
	}
	value, _ := m.more.Get(metric)
	switch metric {
	case routes.MetricAdvMSS:
		return min(value, 65535-40)
	case routes.MetricHopLimit:
		return min(value, 255)
	default:
		return value
	}
}

func (m routeMetrics) congCtl() string {
	if m.more == nil {
		return ""
	}
	return m.more.CongCtl
}

// same reports whether the kernel would hold the same metrics.
func (m routeMetrics) same(o routeMetrics) bool {
	if m.lock != o.lock || m.value(routes.MetricMTU) != o.value(routes.MetricMTU) {
		return false
	}
	if m.more == o.more { // mostly both are nil
		return true
	}
	for metric := firstValued; metric <= lastValued; metric++ {
		if metric != routes.MetricCongCtl && m.value(metric) != o.value(metric) {
			return false
		}
	}
	return m.congCtl() == o.congCtl()
}

// split returns the metrics in the form of [routes.Route].
func (m routeMetrics) split() (mtu uint32, lock bool, others *routes.Metrics) {
	const mtuLock = 1 << routes.MetricMTU
	if locks := m.lock &^ mtuLock; locks != 0 || m.more != nil {
		others = new(routes.Metrics)
		if m.more != nil {
			*others = *m.more
		}
		others.Lock = locks
	}
	return m.mtu, m.lock&mtuLock != 0, others
}
