//go:build man

package printed

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/manual"
	"nmgre/testdata/want"
)

// A character that means something to troff or to a browser stands for itself.
func TestEverythingStandsForItself(t *testing.T) {
	p := page{name: "a-page", section: "7", about: "a 'quoted' <text>", blocks: manual.Blocks("## One `code` & more\n\n.SH is no request: \\fB `a\\b` *it* **all** [here](routes.md#x) [there](#one)\n'nor this\n\n" +
		"- one\n- two\n  goes on\n  1. deep\n\n| a | b | c |\n|---|---|---|\n| `x` | \"y\" | <z> – é |\n\n```sh linux2\n.TH -a ~ ^ `b`\n\\n\n```\n\n![a picture](../b/c.svg)\n")}
	want.Same(t, "troff", p.roff(), `.TH A\-PAGE 7 2026-11-01 "nmgre 0.1.0" nmgre
.nh
.ad l
.SH NAME
a\-page \- a \(aqquoted\(aq <text>
.SH ONE \fBCODE\fR & MORE
\&.SH is no request: fB \fBa\eb\fR \fIit\fR \fBall\fR here (\fBnmgre\-routes\fR(7)) there \(aqnor this
.IP \(bu 2
one
.IP \(bu 2
two goes on
.RS 2
.IP 1. 4
deep
.RE
.TP
\fBx\fR
\fIb\fR: \(dqy\(dq
.br
\fIc\fR: <z> \[u2013] \[u00E9]
.PP
.RS 4
.nf
\&.TH \-a \(ti \(ha \(gab\(ga
\en
.fi
.RE
`)
	_, body, _ := strings.Cut(p.html(), "<body>\n")
	want.Same(t, "HTML", body, `<nav><a href="index.html">all pages</a></nav>
<h1>a-page(7): a &#39;quoted&#39; &lt;text&gt;</h1>
<h2 id="one-code--more">One <code>code</code> &amp; more</h2>
<p>.SH is no request: fB <code>a\b</code> <em>it</em> <strong>all</strong> <a href="nmgre-routes.7.html#x">here</a> <a href="#one">there</a> &#39;nor this</p>
<ul>
<li>one</li>
<li>two goes on</li>
</ul>
<ol>
<li style="margin-left:1.5rem">deep</li>
</ol>
<table>
<tr><th>a</th><th>b</th><th>c</th></tr>
<tr><td><code>x</code></td><td>&#34;y&#34;</td><td>&lt;z&gt; – é</td></tr>
</table>
<pre>.TH -a ~ ^ `+"`b`"+`
\n</pre>
<p><img src="c.svg" alt="a picture"></p>
</body>
</html>
`)
}

// A text that begins without a heading is not a part of the name, which whatis(1) reads.
func TestDescription(t *testing.T) {
	p := page{name: "a", section: "7", about: "b", blocks: manual.Blocks("one: two\n\n## More\n\nthree\n")}
	_, body, _ := strings.Cut(p.roff(), ".SH NAME\n")
	want.Same(t, "the page", body, "a \\- b\n.SH DESCRIPTION\none: two\n.SH MORE\nthree\n")
}

// The texts of commands are taken as they stand: indented lines are not joined, and no letter is a
// mark.
func TestLiteral(t *testing.T) {
	cmd := &cobra.Command{Use: "x NAME", Short: "do it", Long: "x takes `a` *star*\nand [b](c).\n\nAs in:\n  one\n    two\nor:\n- this,\n  so\n- that", Example: "  x 1\n  x 2", Run: func(*cobra.Command, []string) {}}
	cmd.Flags().StringP("peer", "p", "here", "the `ADDR` of *it*")
	want.Same(t, "the page", ofCommand(cmd).roff(), `.TH X 8 2026-11-01 "nmgre 0.1.0" nmgre
.nh
.ad l
.SH NAME
x \- do it
.SH SYNOPSIS
.RS 4
.nf
x NAME [flags]
.fi
.RE
.SH DESCRIPTION
x takes \(gaa\(ga *star* and [b](c).
.PP
As in:
.PP
.RS 4
.nf
one
  two
.fi
.RE
.PP
or:
.IP \(bu 2
this, so
.IP \(bu 2
that
.SH OPTIONS
.TP
\fB\-h\fR, \fB\-\-help\fR
help for x
.TP
\fB\-p\fR, \fB\-\-peer ADDR\fR
the ADDR of *it* (default here)
.SH EXAMPLES
.RS 4
.nf
x 1
x 2
.fi
.RE
`)
}
