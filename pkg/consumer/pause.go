package consumer

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/commandline"
	"github.com/billable-events/billable/pkg/pace"
)

// maxPauseReason bounds what every process reads once a second, in bytes.
const maxPauseReason = 500

func (a *app) pause() *cobra.Command {
	var reason string
	cmd := a.confirmed(&cobra.Command{
		Use:   "pause --reason WHY",
		Short: "Stop all calls to Chargebee, of all consumers and within two seconds, until resume",
		Args:  commandline.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case reason == "":
				return commandline.UsageError{Err: errors.New("--reason is missing: say why, for whoever wonders")}
			case len(reason) > maxPauseReason:
				return commandline.UsageError{Err: fmt.Errorf("--reason is longer than %d bytes", maxPauseReason)}
			}
			settings, aws, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			store := newStore(aws, settings)
			found, err := store.Budget(cmd.Context())
			if err != nil {
				return err
			}
			if found.Hold == nil && !a.yes {
				return a.say("Dry run: with --yes, %d processes stop calling Chargebee until consumer resume.", found.Running())
			}
			found, applied, err := store.Hold(cmd.Context(), pace.Hold{Reason: reason, Since: time.Now().Unix()})
			switch {
			case err != nil:
				return err
			case !applied:
				return a.say("They are paused already, since %s: %s", time.Unix(found.Hold.Since, 0).UTC().Format(time.RFC3339), found.Hold.Reason)
			default:
				return a.say("Paused: %d processes stop calling Chargebee within two seconds, until consumer resume.", found.Running())
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
		Args:  commandline.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, aws, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			store := newStore(aws, settings)
			found, err := store.Budget(cmd.Context())
			switch {
			case err != nil:
				return err
			case found.Hold == nil:
				return a.say("They are not paused.")
			case !a.yes:
				return a.say("Dry run: with --yes, %d processes go on that are paused since %s: %s",
					found.Running(), time.Unix(found.Hold.Since, 0).UTC().Format(time.RFC3339), found.Hold.Reason)
			}
			found, _, err = store.Release(cmd.Context()) // whoever was faster wanted the same
			if err != nil {
				return err
			}
			return a.say("Resumed: %d processes go on within two seconds.", found.Running())
		},
	})
}

// say writes one line of a result.
func (a *app) say(format string, args ...any) error {
	_, err := fmt.Fprintf(a.process.Stdout, format+"\n", args...)
	return err
}
