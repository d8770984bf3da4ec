package cli

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/billable-events/billable/pkg/suggest"
)

// rejectEmpty returns a usage error for an empty flag or argument, as in --reason "$UNSET": it would select everything.
func rejectEmpty(cmd *cobra.Command, args []string) (err error) {
	if cmd.Name() == cobra.ShellCompRequestCmd { // the argument to complete may be empty
		return nil
	}
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if strings.TrimSpace(flag.Value.String()) == "" && err == nil {
			err = UsageError{fmt.Errorf("empty --%s: give a value, or leave the flag out", flag.Name)}
		}
	})
	if slices.ContainsFunc(args, func(arg string) bool { return strings.TrimSpace(arg) == "" }) && err == nil {
		err = UsageError{fmt.Errorf("%s: empty argument", cmd.CommandPath())}
	}
	return err
}

// DurationVar adds a flag with a default value. ParseDuration parses the flag.
func DurationVar(flags *pflag.FlagSet, target *time.Duration, name string, value time.Duration, usage string) {
	*target = value
	flags.Var((*durationValue)(target), name, usage)
}

type durationValue time.Duration

func (d *durationValue) String() string { return time.Duration(*d).String() }

func (*durationValue) Type() string { return "duration" }

func (d *durationValue) Set(text string) error {
	parsed, err := ParseDuration(text)
	*d = durationValue(parsed)
	return err
}

// ChoiceVar adds a flag whose value is one of allowed. The default is the present value of target. The help shows
// placeholder in place of the value.
func ChoiceVar[T ~string](flags *pflag.FlagSet, target *T, name, placeholder, usage string, allowed []T) {
	flags.Var(choiceValue[T]{target, placeholder, allowed}, name, usage)
}

type choiceValue[T ~string] struct {
	target      *T
	placeholder string
	allowed     []T
}

func (c choiceValue[T]) String() string { return string(*c.target) }

func (c choiceValue[T]) Type() string { return c.placeholder }

func (c choiceValue[T]) Set(text string) error {
	value, err := parseChoice(text, c.allowed)
	if err == nil {
		*c.target = value
	}
	return err
}

var durationWithDays = regexp.MustCompile(`^(\d{1,5})d(.*)$`)

// ParseDuration parses a duration that is not negative. It may begin with days, for example 7d or 1d12h.
func ParseDuration(text string) (time.Duration, error) {
	days, rest := 0, text
	if match := durationWithDays.FindStringSubmatch(text); match != nil {
		days, _ = strconv.Atoi(match[1])
		rest = cmp.Or(match[2], "0s") // 7d is 7d0s
	}
	parsed, err := time.ParseDuration(rest)
	sum := time.Duration(days)*24*time.Hour + parsed // negative if it overflows
	if err != nil || parsed < 0 || sum < 0 {
		return 0, fmt.Errorf("invalid duration %q: use a number with a unit, for example 90m, 48h or 7d", text)
	}
	return sum, nil
}

// ParseChoices parses a list of allowed values, separated by commas.
func ParseChoices[T ~string](list string, allowed []T) ([]T, error) {
	var values []T
	for part := range strings.SplitSeq(list, ",") {
		value, err := parseChoice(strings.TrimSpace(part), allowed)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

// parseChoice returns text if it is allowed. Otherwise its error suggests the allowed value that is most similar.
func parseChoice[T ~string](text string, allowed []T) (T, error) {
	if value := T(text); slices.Contains(allowed, value) {
		return value, nil
	}
	hint := ""
	if nearest, ok := suggest.Nearest(text, allowed); ok {
		hint = fmt.Sprintf("did you mean %q? It ", string(nearest))
	}
	return "", fmt.Errorf("invalid value %q: %smust be one of %s", text, hint, strings.Join(texts(allowed), ", "))
}

func texts[T ~string](values []T) []string {
	converted := make([]string, len(values))
	for i, value := range values {
		converted[i] = string(value)
	}
	return converted
}
