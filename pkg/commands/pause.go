package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// maxPauseReasonBytes is the maximum length of the reason. Every process reads the reason once a second.
const maxPauseReasonBytes = 500

func (a *app) pause() *cobra.Command {
	var reason string
	cmd := a.withYesFlag(&cobra.Command{
		Use:     "pause --reason TEXT",
		Short:   "Stop all calls to Chargebee until resume",
		Long:    "Stop all calls of all consumers to Chargebee within two seconds, until consumer resume.",
		Example: `  consumer pause --reason "prices are wrong" --yes`,
		PreRunE: func(*cobra.Command, []string) error { return checkPauseReason(reason) },
		RunE: a.withDeps(func(ctx context.Context, deps Deps, _ []string) error {
			if err := deps.Pause(ctx, reason, !a.apply); err != nil {
				return err
			}
			if a.apply {
				a.printLinef("Paused: all processes stop calling Chargebee within two seconds, until consumer resume.")
				return nil
			}
			a.printLinef("All processes would stop calling Chargebee until consumer resume.")
			a.printDryRun()
			return nil
		}),
	})
	cmd.Flags().StringVar(&reason, "reason", "", "reason, logged by all processes (required)")
	return cmd
}

// checkPauseReason returns a usage error if the reason is empty or too long.
func checkPauseReason(reason string) error {
	switch {
	case reason == "":
		return cli.UsageError{Err: errors.New("missing --reason: all processes log it")}
	case len(reason) > maxPauseReasonBytes:
		return cli.UsageError{Err: fmt.Errorf("--reason is longer than %d bytes", maxPauseReasonBytes)}
	default:
		return nil
	}
}

// Pause begins an operator pause. It returns an error if one is in force already. A dry run only checks that.
func (d Deps) Pause(ctx context.Context, reason string, dryRun bool) error {
	if err := checkPauseReason(reason); err != nil {
		return err
	}
	store := d.store().RateLimit()
	found, err := store.Read(ctx)
	switch {
	case err != nil:
		return err
	case found.OperatorPause.InForce():
		return errPaused(found.OperatorPause)
	case dryRun:
		return nil
	}
	inForce, applied, err := ratelimit.PauseByOperator(ctx, store, ratelimit.OperatorPause{Reason: reason, Since: time.Now().Unix()})
	if err == nil && !applied {
		return errPaused(inForce)
	}
	return err
}

func errPaused(pause ratelimit.OperatorPause) error {
	return fmt.Errorf("calls are already paused since %s: %s: the reason was not changed", pausedSince(pause), pause.Reason)
}

func (a *app) resume() *cobra.Command {
	return a.withYesFlag(&cobra.Command{
		Use:     "resume",
		Short:   "End an operator pause",
		Example: "  consumer resume --yes",
		RunE: a.withDeps(func(ctx context.Context, deps Deps, _ []string) error {
			pause, err := deps.Resume(ctx, !a.apply)
			switch {
			case err != nil:
				return err
			case !pause.InForce():
				a.printLinef("Calls are not paused.")
			case a.apply:
				a.printLinef("Resumed: all processes call Chargebee again within two seconds.")
			default:
				a.printLinef("Calls are paused since %s: %s", pausedSince(pause), pause.Reason)
				a.printDryRun()
			}
			return nil
		}),
	})
}

// Resume ends the operator pause that is in force, if any, and returns it. A dry run only returns it.
func (d Deps) Resume(ctx context.Context, dryRun bool) (ratelimit.OperatorPause, error) {
	store := d.store().RateLimit()
	found, err := store.Read(ctx)
	if err != nil || dryRun || !found.OperatorPause.InForce() {
		return found.OperatorPause, err
	}
	_, err = ratelimit.Resume(ctx, store)
	return found.OperatorPause, err
}

func pausedSince(pause ratelimit.OperatorPause) string {
	return time.Unix(pause.Since, 0).UTC().Format(time.RFC3339)
}
