//go:build man

package printed

import (
	"fmt"
	"html"
	"path"
	"regexp"
	"strings"

	"nmgre/cmd/nmgre/manual"
)

// style makes the pages readable in every browser, by themselves: they load nothing.
const style = `body{max-width:52rem;margin:0 auto;padding:1rem;font:1rem/1.5 system-ui,sans-serif;color:#1c1c1c;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid #ccc}h3{font-size:1rem}
code,pre{font:.9rem/1.4 ui-monospace,monospace;background:#f3f3f3}code{padding:0 .2em}pre{padding:.6rem;overflow-x:auto}
table{border-collapse:collapse;display:block;overflow-x:auto}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ddd}
td:first-child code{white-space:nowrap}img{max-width:100%}a{color:#0b57a4}nav{font-size:.9rem}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}code,pre{background:#272727}a{color:#8ab8ee}h2,th,td{border-color:#444}}`

// html returns the page for a browser.
func (p page) html() string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>%s: %s</title>\n<style>\n%s\n</style>\n</head>\n<body>\n",
		html.EscapeString(p.title()), html.EscapeString(p.about), style)
	if p.name != index {
		b.WriteString("<nav><a href=\"index.html\">all pages</a></nav>\n")
	}
	fmt.Fprintf(&b, "<h1>%s: %s</h1>\n", html.EscapeString(p.title()), html.EscapeString(p.about))
	open := ""
	for _, block := range p.blocks {
		if list := listOf(block); list != open {
			b.WriteString(closed(open) + opened(list))
			open = list
		}
		htmlBlock(&b, block)
	}
	b.WriteString(closed(open) + "</body>\n</html>\n")
	return b.String()
}

// listOf is the element that an item stands in; empty for other blocks. An item of a list in a list
// is one that is indented.
func listOf(block manual.Block) string {
	switch {
	case block.Kind != manual.Item:
		return ""
	case block.Mark == "-":
		return "ul"
	}
	return "ol"
}

func opened(list string) string {
	if list == "" {
		return ""
	}
	return "<" + list + ">\n"
}

func closed(list string) string {
	if list == "" {
		return ""
	}
	return "</" + list + ">\n"
}

func htmlBlock(b *strings.Builder, block manual.Block) {
	switch block.Kind {
	case manual.Heading:
		fmt.Fprintf(b, "<h%d id=\"%s\">%s</h%[1]d>\n", block.Level, anchor(block.Text), htmlLine(block.Text))
	case manual.Code:
		fmt.Fprintf(b, "<pre>%s</pre>\n", html.EscapeString(block.Text))
	case manual.Item:
		indent := ""
		if block.Level > 0 {
			indent = ` style="margin-left:1.5rem"`
		}
		fmt.Fprintf(b, "<li%s>%s</li>\n", indent, htmlLine(block.Text))
	case manual.Table:
		b.WriteString("<table>\n")
		for i, row := range block.Rows {
			cell := "td"
			if i == 0 {
				cell = "th"
			}
			b.WriteString("<tr>")
			for _, text := range row {
				fmt.Fprintf(b, "<%s>%s</%[1]s>", cell, htmlLine(text))
			}
			b.WriteString("</tr>\n")
		}
		b.WriteString("</table>\n")
	case manual.Paragraph:
		fmt.Fprintf(b, "<p>%s</p>\n", htmlLine(block.Text))
	}
}

// htmlLine returns a text with its styles, links and pictures.
func htmlLine(text string) string {
	var b strings.Builder
	for _, s := range manual.Spans(text) {
		words := html.EscapeString(s.Text)
		if s.Picture != "" {
			words = fmt.Sprintf("<img src=\"%s\" alt=\"%s\">", html.EscapeString(path.Base(s.Picture)), words)
		}
		for _, style := range []struct {
			is   bool
			name string
		}{{s.Code, "code"}, {s.Italic, "em"}, {s.Bold, "strong"}} {
			if style.is {
				words = "<" + style.name + ">" + words + "</" + style.name + ">"
			}
		}
		if s.To != "" {
			words = "<a href=\"" + html.EscapeString(target(s.To)) + "\">" + words + "</a>"
		}
		b.WriteString(words)
	}
	return b.String()
}

// target is where a link of a page leads among the files for a browser.
func target(to string) string {
	file, place, hasPlace := strings.Cut(to, "#")
	if hasPlace {
		place = "#" + place
	}
	name, isTopic := strings.CutSuffix(file, ".md")
	switch {
	case isTopic && name == develop:
		return develop + ".html" + place
	case isTopic:
		return "nmgre-" + name + ".7.html" + place
	case file == "":
		return place
	}
	return file + ".html" + place
}

var noAnchor = regexp.MustCompile(`[^a-z0-9 _-]`)

// anchor is the name of a heading's place, as GitHub makes it.
func anchor(heading string) string {
	return strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}
