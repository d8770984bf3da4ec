package consumer

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// dryRun is the last line of a dry run.
const dryRun = "Dry run: nothing was changed. Repeat with --yes to apply."

// maxPauseReason bounds what every process reads once a second, in bytes.
const maxPauseReason = 500

func (a *app) pause() *cobra.Command {
	var reason string
	cmd := a.confirmed(&cobra.Command{
		Use:   "pause --reason WHY",
		Short: "Stop all calls to Chargebee, of all consumers and within two seconds, until resume",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case reason == "":
				return cli.UsageError{Err: errors.New("--reason is missing: say why, for whoever wonders")}
			case len(reason) > maxPauseReason:
				return cli.UsageError{Err: fmt.Errorf("--reason is longer than %d bytes", maxPauseReason)}
			}
			settings, aws, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			store := newStore(aws, settings).RateLimit()
			found, err := store.Read(cmd.Context())
			if err != nil {
				return err
			}
			if !found.OperatorPause.InForce() && !a.yes {
				return a.say("All processes would stop calling Chargebee until consumer resume.\n" + dryRun)
			}
			pause := ratelimit.OperatorPause{Reason: reason, Since: time.Now().Unix()}
			inForce, applied, err := ratelimit.PauseByOperator(cmd.Context(), store, pause)
			switch {
			case err != nil:
				return err
			case !applied:
				return a.say("Calls are paused already, since %s: %s", since(inForce), inForce.Reason)
			default:
				return a.say("Paused: all processes stop calling Chargebee within two seconds, until consumer resume.")
			}
		},
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever wonders")
	return cmd
}

func (a *app) resume() *cobra.Command {
	return a.confirmed(&cobra.Command{
		Use:   "resume",
		Short: "Let all consumers go on after pause",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, aws, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			store := newStore(aws, settings).RateLimit()
			found, err := store.Read(cmd.Context())
			pause := found.OperatorPause
			switch {
			case err != nil:
				return err
			case !pause.InForce():
				return a.say("Calls are not paused.")
			case !a.yes:
				return a.say("Calls are paused since %s: %s\n"+dryRun, since(pause), pause.Reason)
			}
			if _, err = ratelimit.Resume(cmd.Context(), store); err != nil {
				return err
			}
			return a.say("Resumed: all processes go on within two seconds.")
		},
	})
}

func since(pause ratelimit.OperatorPause) string {
	return time.Unix(pause.Since, 0).UTC().Format(time.RFC3339)
}

// say writes one line of a result.
func (a *app) say(format string, args ...any) error {
	_, err := fmt.Fprintf(a.process.Stdout, format+"\n", args...)
	return err
}
