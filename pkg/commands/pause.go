package commands

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// maxPauseReason is the maximum length of the reason in bytes: every process reads it once a second.
const maxPauseReason = 500

func (a *app) pause() *cobra.Command {
	var reason string
	cmd := a.withYesFlag(&cobra.Command{
		Use:     "pause --reason TEXT",
		Short:   "Stop all calls to Chargebee until resume",
		Long:    "Stop all calls of all consumers to Chargebee within two seconds, until consumer resume.",
		Example: `  consumer pause --reason "prices are wrong" --yes`,
		Args:    cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case reason == "":
				return cli.UsageError{Err: errors.New("missing --reason: all processes log it")}
			case len(reason) > maxPauseReason:
				return cli.UsageError{Err: fmt.Errorf("--reason is longer than %d bytes", maxPauseReason)}
			}
			deps, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			store := deps.store().RateLimit()
			found, err := store.Read(cmd.Context())
			switch {
			case err != nil:
				return err
			case found.OperatorPause.InForce():
				return errPaused(found.OperatorPause)
			case !a.apply:
				return errors.Join(a.printf("All processes would stop calling Chargebee until consumer resume."), a.endDryRun())
			}
			pause := ratelimit.OperatorPause{Reason: reason, Since: time.Now().Unix()}
			inForce, applied, err := ratelimit.PauseByOperator(cmd.Context(), store, pause)
			switch {
			case err != nil:
				return err
			case !applied:
				return errPaused(inForce)
			default:
				return a.printf("Paused: all processes stop calling Chargebee within two seconds, until consumer resume.")
			}
		},
	})
	cmd.Flags().StringVar(&reason, "reason", "", "reason, logged by all processes (required)")
	return cmd
}

func errPaused(pause ratelimit.OperatorPause) error {
	return fmt.Errorf("calls are already paused since %s: %s: the reason was not changed", since(pause), pause.Reason)
}

func (a *app) resume() *cobra.Command {
	return a.withYesFlag(&cobra.Command{
		Use:     "resume",
		Short:   "End an operator pause",
		Example: "  consumer resume --yes",
		Args:    cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			deps, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			store := deps.store().RateLimit()
			found, err := store.Read(cmd.Context())
			pause := found.OperatorPause
			switch {
			case err != nil:
				return err
			case !pause.InForce():
				return a.printf("Calls are not paused.")
			case !a.apply:
				return errors.Join(a.printf("Calls are paused since %s: %s", since(pause), pause.Reason), a.endDryRun())
			}
			if _, err = ratelimit.Resume(cmd.Context(), store); err != nil {
				return err
			}
			return a.printf("Resumed: all processes call Chargebee again within two seconds.")
		},
	})
}

func since(pause ratelimit.OperatorPause) string {
	return time.Unix(pause.Since, 0).UTC().Format(time.RFC3339)
}
