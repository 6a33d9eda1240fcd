package routes

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"nmgre/routes/fault"
)

// nameFiles are iproute2's files, as a host may have them.
var nameFiles = fstest.MapFS{
	"usr/share/iproute2/rt_tables":           {Data: []byte("#\n# reserved values\n#\n255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n100 vpn\n101 old\n")},
	"usr/lib/iproute2/rt_tables":             {Data: []byte("101 lib\n")},
	"etc/iproute2/rt_tables":                 {Data: []byte("  0xc8 hexed\n101 etc # a comment\n7 vpn\n")},
	"etc/iproute2/rt_tables.d/a.conf":        {Data: []byte("300 first\n301 both\n")},
	"etc/iproute2/rt_tables.d/b.conf":        {Data: []byte("302 both")},
	"etc/iproute2/rt_tables.d/README":        {Data: []byte("303 readme\n")},
	"etc/iproute2/rt_tables.d/.hidden.conf":  {Data: []byte("304 hidden\n")},
	"usr/share/iproute2/rt_tables.d/c.conf":  {Data: []byte("305 both\n")},
	"usr/share/iproute2/rt_dsfield":          {Data: []byte("0x00 default\n0x28 AF11\n0x10 lowdelay\n")},
	"etc/iproute2/rt_realms":                 {Data: []byte("0 cosmos\n5 lan\n256 far\n")},
	"etc/iproute2/rt_scopes":                 {Data: []byte("0 global\n100 mine\n7 link\n")},
	"etc/iproute2/rt_protos":                 {Data: []byte("213 nmgre\n")},
	"usr/share/iproute2/rt_dsfield.d/x.conf": {Data: []byte("0x20 none\n")},
}

func TestReadRouteNames(t *testing.T) {
	names, err := ReadNames(nameFiles)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what      string
		got, want map[string]uint32
	}{
		{"tables", names.Tables, map[string]uint32{"vpn": 7, "old": 101, "lib": 101, "etc": 101, "hexed": 200, "first": 300, "both": 302}},
		{"TOS values", names.DSField, map[string]uint32{"default": 0, "AF11": 0x28, "lowdelay": 0x10}},
		{"realms", names.Realms, map[string]uint32{"cosmos": 0, "lan": 5}},
		{"scopes", names.Scopes, map[string]uint32{"mine": 100}},
	} {
		if !maps.Equal(test.got, test.want) {
			t.Errorf("%s: %v, want %v", test.what, test.got, test.want)
		}
	}
	for spec, want := range map[string]string{
		"10.10.2.0/24 table vpn":               "10.10.2.0/24 table 7",
		"10.10.2.0/24 table both":              "10.10.2.0/24 table 302",
		"10.10.2.0/24 table 100":               "10.10.2.0/24 table 100",
		"10.10.2.0/24 table main":              "10.10.2.0/24",
		"10.10.2.0/24 table default":           "10.10.2.0/24 table 253",
		"10.10.2.0/24 tos lowdelay":            "10.10.2.0/24 tos 0x10",
		"10.10.2.0/24 tos AF12":                "10.10.2.0/24 tos 0x30",
		"10.10.2.0/24 realms lan/cosmos":       "10.10.2.0/24 realms 5/0",
		"10.10.2.0/24 scope mine":              "10.10.2.0/24 scope 100",
		"10.10.2.0/24 scope link":              "10.10.2.0/24",
		"10.0.0.0/8 nexthop realm lan nexthop": "10.0.0.0/8 nexthop realm 5 nexthop",
		"10.10.2.0/24 encap ip tos lowdelay":   "10.10.2.0/24 encap ip tos 0x10",
	} {
		if r, err := names.Parse(spec); err != nil || r.String() != want {
			t.Errorf("%s: %v, %v; want %s", spec, r, err, want)
		}
	}
	for _, spec := range []string{"10.10.2.0/24 table readme", "10.10.2.0/24 realm far", "10.10.2.0/24 table unspec"} {
		if r, err := names.Parse(spec); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: %v, %v", spec, r, err)
		}
	}
}

// A host without iproute2 has no names, and that is no error.
func TestReadRouteNamesOfNoHost(t *testing.T) {
	names, err := ReadNames(fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := names.Parse("10.10.2.0/24 table main tos EF scope host"); err != nil || r.String() != "10.10.2.0/24 tos 0xb8 scope host" {
		t.Errorf("%v, %v", r, err)
	}
}

// Lines that iproute2 would not have written are left out, and take no other along.
func TestReadRouteNamesBadLines(t *testing.T) {
	for _, line := range []string{
		"", "#", "100", "vpn", "vpn 100", "-1 minus", "0 zero", "4294967296 big", "0x100000000 big", "100 vpn more", "100 #vpn", "100 7", "100 0x7", "100 010",
		"254 main", "100 main", "100 local", "1e3 exp", "0xg hex", "100 \x1b[31m", "100 \xff", "100 v\u202epn", "100 " + strings.Repeat("x", 600), "\x00", "100\x00vpn",
	} {
		names, err := ReadNames(fstest.MapFS{"etc/iproute2/rt_tables": {Data: []byte("7 before\n" + line + "\n8 after")}})
		if err != nil || !maps.Equal(names.Tables, map[string]uint32{"before": 7, "after": 8}) {
			t.Errorf("%.40q: %v, %v", line, names.Tables, err)
		}
	}
}

// A line that cannot be read is named, and the rest is read all the same.
func TestReadRouteNamesTrouble(t *testing.T) {
	good := &fstest.MapFile{Data: []byte("7 good\n")}
	for _, test := range []struct {
		what string
		fsys fs.FS
		want string
	}{
		{"a pipe", fstest.MapFS{"usr/share/iproute2/rt_tables": {Mode: fs.ModeNamedPipe}, "etc/iproute2/rt_tables": good}, "the names in /usr/share/iproute2/rt_tables were not read: it is not a regular file"},
		{"a directory", fstest.MapFS{"usr/share/iproute2/rt_tables/x": good, "etc/iproute2/rt_tables": good}, "the names in /usr/share/iproute2/rt_tables were not read: it is not a regular file"},
		{"an endless line", fstest.MapFS{"etc/iproute2/rt_tables": good, "etc/iproute2/rt_tables.d/a.conf": {Data: []byte(strings.Repeat("x", 2*maxNamesFile))}}, "a.conf were not read: it is too long"},
		{"an endless file", fstest.MapFS{"etc/iproute2/rt_tables": good, "etc/iproute2/rt_tables.d/a.conf": {Data: []byte(strings.Repeat("#\n", maxNamesFile))}}, "a.conf were not read: it is too long"},
		{"endless names", fstest.MapFS{"etc/iproute2/rt_tables": good, "etc/iproute2/rt_tables.d/a.conf": {Data: []byte(manyNames())}}, "a.conf were not read: it is too long"},
		{"endless files", manyFiles(), "the names in /etc/iproute2/rt_tables.d were not read: it has more than 1000 files"},
		{"no permission", denied{fstest.MapFS{"etc/iproute2/rt_tables": good, "etc/iproute2/rt_realms": good}}, "the names in /etc/iproute2/rt_realms were not read: permission denied"},
	} {
		names, err := ReadNames(test.fsys)
		if err == nil || !strings.Contains(err.Error(), test.want) || len(fault.Hints(err)) == 0 {
			t.Errorf("%s: %v; want %s", test.what, err, test.want)
		}
		if names.Tables["good"] != 7 || len(names.Tables) > maxNames {
			t.Errorf("%s: %d tables", test.what, len(names.Tables))
		}
	}
}

func manyNames() string {
	var b strings.Builder
	for i := range maxNames {
		fmt.Fprintf(&b, "1 n%d\n", i)
	}
	return b.String()
}

func manyFiles() fs.FS {
	files := fstest.MapFS{"etc/iproute2/rt_tables": {Data: []byte("7 good\n")}}
	for i := range maxNamesFiles + 1 {
		files[fmt.Sprintf("etc/iproute2/rt_tables.d/%d.conf", i)] = &fstest.MapFile{Data: []byte("7 good\n")}
	}
	return files
}

// denied is a file system in which realms are nobody's business.
type denied struct{ fstest.MapFS }

func (d denied) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, "rt_realms") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.MapFS.Open(name)
}

func (d denied) Stat(name string) (fs.FileInfo, error) { return d.MapFS.Stat(name) }

func FuzzReadRouteNames(f *testing.F) {
	for _, file := range nameFiles {
		f.Add(file.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		names, _ := ReadNames(fstest.MapFS{"etc/iproute2/rt_tables": {Data: data}, "etc/iproute2/rt_realms": {Data: data}})
		for name, n := range names.Tables {
			if r, err := names.Parse("local 10.0.0.1 table " + name); err != nil || r.TableOrMain() != n {
				t.Fatalf("table %q is %d, and read as %v, %v", name, n, r, err)
			}
		}
	})
}
