package routes

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// routeWord is a word that begins an attribute.
type routeWord struct {
	// names are the word and its synonyms. A ~ marks those that iproute2 takes shortened too.
	names string
	read  func(p *Parser, word string) error // reads the rest of the attribute
}

// maxRouteWords is at least the length of routeWords.
const maxRouteWords = 64

// routeWords are the words that begin an attribute, a metric or a destination (the types).
var routeWords = slices.Concat([]routeWord{
	{"via", func(p *Parser, word string) (err error) {
		p.Route.Via, err = p.via(word)
		return err
	}},
	{"src", func(p *Parser, word string) (err error) {
		p.Route.Src, err = p.addrOf(word)
		return err
	}},
	{"metric~ priority~ preference", func(p *Parser, word string) error {
		metric, err := p.number(word, 0, 1<<32-1)
		p.Route.Metric = &metric
		return err
	}},
	{"table~", func(p *Parser, word string) (err error) {
		p.Route.Table, err = p.named(word, &tableKind)
		return err
	}},
	{"mtu", (*Parser).readMTU},
	{"onlink", func(p *Parser, _ string) error {
		p.Route.OnLink = true
		return nil
	}},
	{"from", (*Parser).readFrom},
	{"tos dsfield~", func(p *Parser, word string) (err error) {
		p.Route.TOS, err = p.tos(word)
		return err
	}},
	{"scope", func(p *Parser, word string) error {
		n, err := p.named(word, &scopeKind)
		scope := Scope(n) //nolint:gosec // at most 255
		p.Route.Scope = &scope
		return err
	}},
	{"realms~", func(p *Parser, word string) (err error) {
		p.Route.Realms, err = p.realms(word)
		return err
	}},
	{"expires", func(p *Parser, word string) (err error) {
		p.Route.Expires, err = p.number(word, 1, 1<<32-2) // the highest is the kernel's "never"
		return err
	}},
	{"pref~", (*Parser).readPref},
	{"ttl-propagate", (*Parser).readTTLPropagate},
	{"nhid", func(p *Parser, word string) (err error) {
		p.Route.NexthopID, err = p.number(word, 1, 1<<32-1)
		return err
	}},
	{"encap", func(p *Parser, _ string) (err error) {
		p.Route.Encap, err = p.encap()
		return err
	}},
	{"nexthop", (*Parser).readNexthops},
	{"features~", (*Parser).readFeatures},
	{"congctl~", (*Parser).readCongCtl},
	{"xresolve", refuse("write one of " + strings.Join(typeNames[:], ", ") + ": Linux has no routes of that type")},
	{"dev oif", refuse("leave it out: the route leads into the tunnel")},
	{"protocol~", refuse("leave it out: nmgre's routes have a number of their own there, by which it finds them again")},
	{"as", refuse("leave it out: nmgre has no routes that rewrite the destination")},
	{"vrf~", refuse("write table N with the number of the VRF's table, which ip vrf shows")},
}, metricRouteWords(), typeRouteWords())

// metricWord is the word of a metric.
type metricWord struct {
	metric  Metric
	names   string // as in routeWord
	max     uint32 // the kernel lowers a higher value to it, or refuses it
	mayLock bool
	units   uint32 // of a time: how many of the metric's units are a millisecond; 0 for a number
}

// metricWords are the metrics that are one number each, in the order in which they are printed.
var metricWords = [...]metricWord{
	{MetricAdvMSS, "advmss", 65535 - 40, true, 0},
	{MetricWindow, "window~", 1<<32 - 1, true, 0},
	{MetricCwnd, "cwnd~", 1<<32 - 1, true, 0},
	{MetricInitCwnd, "initcwnd~", 1<<32 - 1, true, 0},
	{MetricInitRwnd, "initrwnd~", 1<<32 - 1, true, 0},
	{MetricRTOMin, "rto_min", 1<<32 - 1, false, 1},
	{MetricRTT, "rtt", 1<<32 - 1, true, 8},
	{MetricRTTVar, "rttvar~", 1<<32 - 1, true, 4},
	{MetricSSThresh, "ssthresh~", 1<<32 - 1, true, 0},
	{MetricReordering, "reordering~", 1<<32 - 1, true, 0},
	{MetricHopLimit, "hoplimit", 255, true, 0},
	{MetricQuickACK, "quickack~", 1, false, 0},
	{MetricFastOpen, "fastopen_no_cookie~", 1, false, 0},
}

// name is the word as it is printed.
func (w *metricWord) name() string { return strings.TrimSuffix(w.names, "~") }

// String returns iproute2's word for the metric, or its number.
func (m Metric) String() string {
	for i := range metricWords {
		if w := &metricWords[i]; w.metric == m {
			return w.name()
		}
	}
	if name, known := map[Metric]string{MetricMTU: "mtu", MetricFeatures: "features", MetricCongCtl: "congctl"}[m]; known {
		return name
	}
	return fmt.Sprintf("metric number %d", uint8(m))
}

func metricRouteWords() []routeWord {
	words := make([]routeWord, len(metricWords))
	for i := range metricWords {
		w := &metricWords[i]
		words[i] = routeWord{w.names, func(p *Parser, word string) error { return p.readMetric(w, word) }}
	}
	return words
}

// typeWords are the names of the types, as in routeWord, in the order of the types.
var typeWords = [...]string{"unicast~", "local", "broadcast~ brd", "anycast~", "multicast~", "blackhole~", "unreachable~", "prohibit~", "throw", "nat"}

func typeRouteWords() []routeWord {
	words := make([]routeWord, len(typeWords))
	for i, names := range typeWords {
		t := Type(i) //nolint:gosec // a few types
		words[i] = routeWord{names, func(p *Parser, _ string) error { return p.readType(t) }}
	}
	return words
}

// routeWordIndex finds a word and its synonyms in routeWords.
var routeWordIndex = sync.OnceValue(indexRouteWords)

func indexRouteWords() map[string]int {
	index := make(map[string]int)
	for i, w := range routeWords {
		for name := range strings.FieldsSeq(w.names) {
			index[strings.TrimSuffix(name, "~")] = i
		}
	}
	return index
}

// findRouteWord returns the index of a word in routeWords, and whether it is there.
func findRouteWord(word string) (index int, ok bool) {
	// most likely a destination; any is not short for anycast here
	if c := word[0]; c < 'a' || c > 'z' || isEverything(word) {
		return 0, false
	}
	if index, ok = routeWordIndex()[word]; ok {
		return index, true
	}
	return shortened(word)
}

// shortened returns the index of the only word that begins with word, if iproute2 takes it
// shortened. If several words begin so, it takes none of them, where iproute2 takes the first.
func shortened(word string) (index int, ok bool) {
	found := 0
	for i, w := range routeWords {
		for name := range strings.FieldsSeq(w.names) {
			if full, may := strings.CutSuffix(name, "~"); strings.HasPrefix(full, word) {
				index, ok = i, may
				found++
			}
		}
	}
	return index, ok && found == 1
}

// refuse returns the reader of a word of `ip route` that does not belong into a SPEC.
func refuse(hint string) func(*Parser, string) error {
	return func(p *Parser, word string) error {
		return p.bad(hint, "\"%s\" does not belong here", fault.Printable(word))
	}
}

// readType reads the destination after its type.
func (p *Parser) readType(t Type) error {
	if p.hasDst {
		return p.bad("write it at the beginning: "+t.String()+" "+p.dstText(), "the type %s stands before the destination", t)
	}
	p.Route.Type = t
	word, err := p.next("a destination", "")
	if err != nil {
		return err
	}
	return p.destination(word)
}

func (p *Parser) readFrom(after string) error {
	word, err := p.next("a network", after)
	if err == nil {
		p.Route.From, err = p.prefix(word, "source")
	}
	if p.Route.From.Bits() == 0 { // any source, which is the default
		p.Route.From = Route{}.From
	}
	return err
}

func (p *Parser) readMTU(after string) (err error) {
	p.Route.MTULock = p.accept("lock")
	p.Route.MTU, err = p.number(after, gre.MinMTU4, maxRouteMTU)
	return err
}

// maxRouteMTU is the highest MTU of a route: the kernel lowers a higher one to it.
const maxRouteMTU = 65535 - 15

// readMetric reads a metric's number, and whether it is locked. To the kernel 0 is the same as no
// metric.
func (p *Parser) readMetric(w *metricWord, after string) (err error) {
	lock := w.mayLock && p.accept("lock")
	var value uint32
	if w.units > 0 {
		value, err = p.time(after, w.units)
	} else {
		value, err = p.number(after, 0, w.max)
	}
	if err != nil {
		return err
	}
	lock = lock || w.metric == MetricRTOMin // the kernel ignores it unless it is locked
	if value == 0 && lock {
		return p.bad("give it a value, or leave it out", "%s cannot be locked at 0", after)
	}
	if value > 0 {
		p.metrics().Put(w.metric, value)
	}
	if lock {
		p.metrics().Lock |= 1 << w.metric
	}
	return nil
}

// metrics returns the route's metrics to put one into.
func (p *Parser) metrics() *Metrics {
	if p.Route.Metrics == nil {
		p.Route.Metrics = new(Metrics)
	}
	return p.Route.Metrics
}

// features are the bits of MetricFeatures that the kernel takes (RTAX_FEATURE_...), by their words.
var features = [...]struct {
	name string
	bit  uint32
}{{"ecn", 1}, {"tcp_usec_ts", 1 << 4}}

// readFeatures reads one feature or more.
func (p *Parser) readFeatures(string) error {
	var mask uint32
	for found := true; found; {
		found = false
		for _, f := range features {
			if p.accept(f.name) {
				mask |= f.bit
				found = true
			}
		}
	}
	if mask == 0 {
		word, err := p.next("a feature", "")
		if err != nil {
			return err
		}
		return p.bad("the features are ecn and tcp_usec_ts", "\"%.80s\" is no feature", fault.Printable(word))
	}
	p.metrics().Put(MetricFeatures, mask)
	return nil
}

// maxCongCtl is the length of an algorithm's name: TCP_CA_NAME_MAX less the closing zero.
const maxCongCtl = 15

func (p *Parser) readCongCtl(string) error {
	if p.accept("lock") {
		p.metrics().Lock |= 1 << MetricCongCtl
	}
	word, err := p.next("the name of a congestion control algorithm", "")
	if err != nil {
		return err
	}
	if !isCongCtl(word) {
		return p.bad("a name has 1 to 15 letters, digits and signs, such as bbr", "\"%.80s\" is no congestion control algorithm", fault.Printable(word))
	}
	p.metrics().CongCtl = strings.Clone(word) // the line itself need not stay in memory
	return nil
}

func isCongCtl(name string) bool {
	return name != "" && len(name) <= maxCongCtl && !strings.Contains(name, " ") && fault.Printable(name) == name
}

// prefNames are iproute2's words for the router preferences.
var prefNames = map[string]Pref{"low": PrefLow, "medium": PrefMedium, "high": PrefHigh}

func (p *Parser) readPref(after string) error {
	word, err := p.next("low, medium or high", "")
	if err != nil {
		return err
	}
	pref, ok := prefNames[word]
	if !ok {
		n, numeric := parseNumber(word, 8)
		pref = Pref(n) + 1 //nolint:gosec // at most 255
		if !numeric || !pref.valid() {
			return p.impossible(word, after, "pref takes low, medium or high")
		}
	}
	p.Route.Pref = pref
	return nil
}

func (p Pref) valid() bool { return p == PrefLow || p == PrefMedium || p == PrefHigh }

func (p *Parser) readTTLPropagate(after string) error {
	word, err := p.next("enabled or disabled", "")
	if err != nil {
		return err
	}
	enabled := strings.HasPrefix("enabled", word)
	if !enabled && !strings.HasPrefix("disabled", word) {
		return p.impossible(word, after, "ttl-propagate takes enabled or disabled")
	}
	p.Route.TTLPropagate = &enabled
	return nil
}

// readNexthops reads the nexthops, which are the last words of a SPEC.
func (p *Parser) readNexthops(string) error {
	for {
		hop, err := p.nexthop()
		if err != nil {
			return err
		}
		p.Route.Nexthops = append(p.Route.Nexthops, hop)
		if !p.accept("nexthop") {
			return nil
		}
	}
}

// nexthop reads the words after "nexthop", up to the next one or the end.
func (p *Parser) nexthop() (hop Nexthop, err error) {
	var seen [maxHopWords]bool
	for word := p.peek(); word != "" && word != "nexthop"; word = p.peek() {
		p.word()
		i, known := hopWords[word]
		if !known {
			return hop, p.bad(hopHint, "\"%.80s\" is not known in a nexthop", fault.Printable(word))
		}
		if seen[i] {
			return hop, p.bad("give it once in each nexthop", "%s is there twice", word)
		}
		seen[i] = true
		if err := p.hopAttribute(&hop, word); err != nil {
			return hop, err
		}
	}
	return hop, nil
}

// hopWords number the words of a nexthop; synonyms have one number.
var hopWords = map[string]int{"via": 0, "dev": 1, "oif": 1, "weight": 2, "onlink": 3, "realms": 4, "realm": 4, "encap": 5}

const maxHopWords = 6

const hopHint = "write the nexthops last, each as: nexthop [via ADDRESS] [dev NAME] [weight N] [onlink] [realm N] [encap ...]"

func (p *Parser) hopAttribute(hop *Nexthop, word string) (err error) {
	switch word {
	case "via":
		hop.Via, err = p.via(word)
	case "dev", "oif":
		hop.Dev, err = p.device(word)
	case "weight":
		var weight uint32
		weight, err = p.number(word, 1, maxWeight)
		hop.Weight = uint16(weight) //nolint:gosec // 1 to 256
	case "onlink":
		hop.OnLink = true
	case "encap":
		hop.Encap, err = p.encap()
	default:
		hop.Realms, err = p.realms(word)
	}
	return err
}

// maxWeight is the highest weight of a nexthop: rtnh_hops is a byte, and holds the weight less one.
const maxWeight = 256

func (p *Parser) device(after string) (string, error) {
	word, err := p.next("an interface's name", after)
	if err != nil {
		return "", err
	}
	if !IsDevice(word) {
		return "", p.bad("an interface's name has 1 to 15 letters, digits and signs", "\"%.80s\" is no interface's name", fault.Printable(word))
	}
	return strings.Clone(word), nil // the line itself need not stay in memory
}
