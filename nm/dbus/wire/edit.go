package wire

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"reflect"
	"strings"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
)

// Edit has the facts that a profile remembers while an edit of it is in memory only, so that any
// process can undo the edit of one that was killed. It stands in the user data.
type Edit struct {
	Mark    string   // says who makes the edit, as the mark of [Settings.StartTrial] does
	Before  Settings // the profile before the edit
	Unsaved bool     // that was in memory only, too
	Up      bool     // it was up, or on its way up
}

const (
	keyEdit    = "nmgre.edit"        // the mark
	keyEditWas = "nmgre.edit-was"    // words about the profile before
	keyBefore  = "nmgre.edit-before" // begins the keys of the settings before, in parts

	wordUnsaved, wordUp = "unsaved", "up"

	// NetworkManager's bound of a value of user data is 8 KB, and it takes 256 of them.
	beforePart     = 8000
	maxBeforeParts = 128
	maxBefore      = 16 << 20 // bytes of the settings, unpacked
)

// errLargeEdit is the error for settings that do not fit into the user data.
var errLargeEdit = errors.New("the profile is too large to remember itself")

// StartEdit notes e in the settings. It fails, and changes nothing, if the profile before is too
// large: its list of routes has some hundred thousand entries.
func (s Settings) StartEdit(e Edit) error {
	packed, err := pack(e.Before)
	if err != nil {
		return err
	}
	s.EndEdit()
	var was []string
	for word, is := range map[string]bool{wordUnsaved: e.Unsaved, wordUp: e.Up} {
		if is {
			was = append(was, word)
		}
	}
	s.setUser(keyEdit, e.Mark)
	s.setUser(keyEditWas, strings.Join(was, " "))
	for n := 0; len(packed) > 0; n++ {
		part := packed[:min(len(packed), beforePart)]
		s.setUser(fmt.Sprintf("%s-%d", keyBefore, n), part)
		packed = packed[len(part):]
	}
	return nil
}

// EndEdit removes the note of an edit.
func (s Settings) EndEdit() {
	for key := range s.userData() {
		if key == keyEdit || strings.HasPrefix(key, keyEdit+"-") {
			s.setUser(key, "")
		}
	}
}

// Edit returns the note of an edit. It is false if there is none. Any local user may have written
// it, but only into a profile of the user's own: a note counts only if the profile before is of the
// same type, for the same users, and has the same UUID.
func (s Settings) Edit() (Edit, bool) {
	e := Edit{Mark: s.user(keyEdit)}
	if e.Mark == "" {
		return e, false
	}
	var packed strings.Builder
	for n := range maxBeforeParts {
		packed.WriteString(s.user(fmt.Sprintf("%s-%d", keyBefore, n)))
	}
	before, err := unpack(packed.String())
	if err != nil {
		return e, false
	}
	for _, property := range [...]string{"uuid", "type", "permissions"} {
		if !reflect.DeepEqual(before[Connection][property].Value(), s[Connection][property].Value()) {
			return e, false
		}
	}
	was := strings.Fields(s.user(keyEditWas))
	for _, word := range was {
		e.Unsaved, e.Up = e.Unsaved || word == wordUnsaved, e.Up || word == wordUp
	}
	e.Before = before
	return e, true
}

// EditOf returns the note of an edit in nm's words. The mark is empty if there is none.
func (s Settings) EditOf() (mark string, e *nm.Edit) {
	noted, ok := s.Edit()
	if !ok {
		return "", nil
	}
	before, err := Decode(noted.Before)
	if err != nil {
		return "", nil
	}
	return noted.Mark, &nm.Edit{Before: before, Up: noted.Up}
}

// Edited returns the settings with t written into them, and with a note of the edit. A profile that
// is named after its interface is renamed with it. One that is too large to remember itself has no
// note.
func (s Settings) Edited(t nm.Tunnel, e Edit) Settings {
	s.EndEdit()
	changed := Encode(t, s)
	if s.Text(Connection, "id") == s.Text(Connection, "interface-name") {
		changed.Set(Connection, "id", t.Name)
	}
	_ = changed.StartEdit(e) // it changes nothing if it fails
	return changed
}

// userData returns the profile's user data; a copy.
func (s Settings) userData() map[string]string {
	data, _ := s[userData]["data"].Value().(map[string]string)
	return maps.Clone(data)
}

// pack encodes settings as text: the body of a D-Bus message, compressed.
func pack(s Settings) (string, error) {
	msg := dbus.Message{Type: dbus.TypeSignal, Body: []any{map[string]map[string]dbus.Variant(s)}, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath("/nmgre")), dbus.FieldInterface: dbus.MakeVariant("nmgre.Edit"), dbus.FieldMember: dbus.MakeVariant("Before"),
		dbus.FieldSignature: dbus.MakeVariant(dbus.ParseSignatureMust("a{sa{sv}}")),
	}}
	var raw bytes.Buffer
	if err := msg.EncodeTo(&raw, binary.LittleEndian); err != nil {
		return "", fmt.Errorf("encode the profile: %w", err)
	}
	packed, err := compressed(raw.Bytes())
	if err != nil {
		return "", err
	}
	text := base64.StdEncoding.EncodeToString(packed)
	if len(text) > beforePart*maxBeforeParts || raw.Len() > maxBefore {
		return "", errLargeEdit
	}
	return text, nil
}

// compressed returns a gzip file (RFC 1952). A short one has its bytes as they are, since a
// compressor takes 800 KB of memory.
func compressed(raw []byte) ([]byte, error) {
	const short = 4 << 10
	if len(raw) < short {
		n := uint16(len(raw))                                   //nolint:gosec // short; of one stored block (RFC 1951)
		file := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1} // no name, no time, any system; the last block
		file = binary.LittleEndian.AppendUint16(file, n)
		file = append(binary.LittleEndian.AppendUint16(file, ^n), raw...)
		file = binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE(raw))
		return binary.LittleEndian.AppendUint32(file, uint32(n)), nil
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(raw)
	err = errors.Join(err, w.Close())
	return packed.Bytes(), err
}

// unpack decodes the text of pack. It trusts nothing in it.
func unpack(text string) (Settings, error) {
	r, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxBefore+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxBefore {
		return nil, errLargeEdit
	}
	msg, err := dbus.DecodeMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if len(msg.Body) == 1 {
		if s, ok := msg.Body[0].(map[string]map[string]dbus.Variant); ok {
			return s, nil
		}
	}
	return nil, errors.New("the text has no profile")
}
