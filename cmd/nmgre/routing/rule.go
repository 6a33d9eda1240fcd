package routing

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/output"
	"nmgre/cmd/nmgre/suggest"
	"nmgre/routes/fault"
	"nmgre/routes/rule"
)

// Rule returns the command rule.
func (a App) Rule() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rule",
		Short: "add, delete and list the rules that choose the table of routes",
		Long: `rule changes the rules of the routing policy that come and go with a tunnel, while it stays up. A
rule that NetworkManager can hold goes into the tunnel's profile; nmgre keeps all others and sets
them in the kernel itself. All of a change happens or none of it. A change that may cut off your own
ssh session needs --confirm: unless you press Enter within that time, it is undone.

nmgre help routes has the words of a rule, too.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return suggest.UnknownCommand(cmd, args[0])
			}
			return &fault.Error{Kind: fault.ErrInvalid, What: "add, delete or list is missing", Hint: "write it as: nmgre rule add|delete|list NAME"}
		},
	}
	cmd.AddCommand(a.ruleChange("add", "add rules to a tunnel", addRules), a.ruleChange("delete", "delete rules from a tunnel", deleteRules), a.ruleList())
	return cmd
}

// ruleHelp describes the words of a rule.
const ruleHelp = `.

Write a RULE as for ip rule. Its words need no quotes here:
  from 10.0.0.2 table 100
  fwmark 0x1/0xff iif eth1 table 100 priority 500
  table main suppress_prefixlength 0

A rule without a priority gets the first free one from 20000 on. To delete a rule, its priority may
be left out, and its priority alone is enough: priority 20000`

func (a App) ruleChange(verb, short string, change func(name string, old, words []rule.Rule) ([]rule.Rule, error)) *cobra.Command {
	var run routeRun
	cmd := &cobra.Command{
		Use:   verb + " NAME [RULE]",
		Short: short,
		Long:  short + ruleHelp,
		Example: "  nmgre rule " + verb + " gre1 from 10.0.0.2 table 100\n" +
			"  nmgre rule " + verb + " gre1 --rules-from rules.txt",
		Args:              a.nameAndRoute,
		ValidArgsFunction: a.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := a.readRuleChange(verb, args[0], args[1:], run)
			if err != nil {
				return err
			}
			return a.Changing(cmd, run.wait, func(ctx context.Context, host *nmgre.Host) error {
				planned, err := host.ChangeRules(ctx, args[0], func(old []rule.Rule) ([]rule.Rule, error) { return change(fault.Operand(args[0]), old, wanted) })
				if err != nil {
					return err
				}
				return output.ChangedRules(a.Out, a.Err, planned, run.json)
			})
		},
	}
	cmd.Flags().StringVar(&run.from, "rules-from", "", "a file with one RULE per line, or - for standard input")
	a.Flags(cmd, &run.wait, &run.json)
	return cmd
}

// readRuleChange reads the rule of the command line, or the rules of the file.
func (a App) readRuleChange(verb, name string, words []string, run routeRun) ([]rule.Rule, error) {
	if err := a.Check(run.wait); err != nil {
		return nil, err
	}
	if (len(words) > 0) == (run.from != "") {
		return nil, fault.Invalid("rule", "write it as: nmgre rule "+verb+" "+fault.Operand(name)+" from 10.0.0.2 table 100", "give one rule, or --rules-from FILE")
	}
	if run.from != "" {
		return a.Lists().Rules(run.from)
	}
	r, err := rule.ParseWith(a.Names(), strings.Join(words, " "))
	return []rule.Rule{r}, err
}

// addRules adds the rules that are not there.
func addRules(_ string, old, wanted []rule.Rule) ([]rule.Rule, error) {
	all := slices.Clone(old)
	for _, r := range wanted {
		if !slices.ContainsFunc(all, func(o rule.Rule) bool { return rule.Same(o, r) }) {
			all = append(all, r)
		}
	}
	return all, nil
}

// deleteRules deletes the rules, each of which must be there.
func deleteRules(name string, old, unwanted []rule.Rule) ([]rule.Rule, error) {
	left := slices.Clone(old)
	var errs []error
	for _, r := range unwanted {
		fits := func(o rule.Rule) bool { return rule.Same(o, r) || r.NamesPlace() && o.Priority == r.Priority }
		i := slices.IndexFunc(left, fits)
		switch {
		case i < 0:
			errs = append(errs, fault.Invalid("rule", "nmgre rule list "+name+" lists them", "the tunnel has no rule %s", fault.Printable(r.String())))
		case slices.ContainsFunc(left[i+1:], fits):
			errs = append(errs, fault.Invalid("rule", "write one of them whole, with its priority", "the tunnel has several rules %s", fault.Printable(r.String())))
		default:
			left = slices.Delete(left, i, i+1)
		}
	}
	return left, errors.Join(errs...)
}

func (a App) ruleList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "list NAME",
		Short:             "list the rules of a tunnel, with the owner and the state of each",
		Args:              a.OneName,
		ValidArgsFunction: a.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.WithHost(cmd.Context(), func(host *nmgre.Host) error {
				states, err := host.Rules(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return output.Rules(a.Out, states, asJSON)
			})
		},
	}
	a.JSON(cmd, &asJSON)
	return cmd
}
