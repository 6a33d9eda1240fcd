//go:build man

package printed

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/manual"
	"nmgre/routes/fault"
)

// Commands returns the commands man and docs, which write the pages of all other commands and of
// all topics.
func Commands() []*cobra.Command {
	return []*cobra.Command{
		writer("man", "write the manual pages into a directory", Man),
		writer("docs", "write the manual for a browser into a directory, from nmgre's source", Docs),
	}
}

func writer(name, short string, write func(root *cobra.Command, folder string) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " DIRECTORY", Short: short, Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &fault.Error{Kind: fault.ErrInvalid, What: "the directory is missing", Hint: "write it as: nmgre " + name + " DIRECTORY"}
			}
			if err := write(cmd.Root(), args[0]); err != nil {
				return &fault.Error{What: "cannot write the manual", Err: err}
			}
			return nil
		},
	}
}

// Man writes the pages of root and of all topics for man(1).
func Man(root *cobra.Command, folder string) error {
	for _, p := range pages(root) {
		if err := write(folder, p.file(), p.roff()); err != nil {
			return err
		}
	}
	return nil
}

func write(folder, name, text string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // the manual is for everyone
		return err
	}
	return os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644) //nolint:gosec // the same
}

const (
	index   = "index"
	develop = "develop"
	source  = "cmd/nmgre/manual" // the folder of the pages, from the top of the source
)

// Docs writes all pages for a browser, with a page that lists them, and the pictures in them. The
// working directory is the top of nmgre's source.
func Docs(root *cobra.Command, folder string) error {
	text, err := os.ReadFile(filepath.Join(source, develop+".md"))
	if err != nil {
		return err
	}
	list := pages(root)
	first, _, _ := strings.Cut(string(text), "\n")
	_, about, _ := strings.Cut(first, ": ")
	list = append(list, page{name: develop, about: about, blocks: manual.Blocks(string(text))[1:]})
	for _, p := range append(list, contents(root, list)) {
		if err := write(folder, p.file()+".html", p.html()); err != nil {
			return err
		}
		if err := pictures(p, folder); err != nil {
			return err
		}
	}
	return nil
}

// pictures copies the pictures of a page.
func pictures(p page, folder string) error {
	for _, block := range p.blocks {
		for _, s := range manual.Spans(block.Text) {
			if s.Picture == "" || block.Kind != manual.Paragraph {
				continue
			}
			picture, err := os.ReadFile(filepath.Join(source, s.Picture))
			if err != nil {
				return err
			}
			if err := write(folder, filepath.Base(s.Picture), string(picture)); err != nil {
				return err
			}
		}
	}
	return nil
}

// contents is the page that lists all others: topics first.
func contents(root *cobra.Command, list []page) page {
	p := page{name: index, about: root.Short, blocks: literal(root.Long)}
	for _, part := range []struct{ title, section string }{{"Topics", "7"}, {"Commands", "8"}, {"The source", ""}} {
		rows := [][]string{{"page", "what is there"}}
		for _, one := range list {
			if one.section == part.section {
				rows = append(rows, []string{"[" + one.title() + "](" + one.file() + ")", manual.Literal(one.about)})
			}
		}
		p.add(part.title, manual.Block{Kind: manual.Table, Rows: rows})
	}
	return p
}
