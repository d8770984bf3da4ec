package receiver

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/webhook"
)

const (
	// lookInterval is how often the files of credentials are looked at. What is new counts
	// at the second look that finds it, so after 6 s at most.
	lookInterval = 3 * time.Second
	// lookTimeout is for a look that is under way when the receiver ends.
	lookTimeout = time.Second
)

// credentials are the one or two sets that webhooks may bring.
func credentials(auth config.Auth) []webhook.Credentials {
	sets := []webhook.Credentials{{Username: auth.Username.Reveal(), Password: auth.Password.Reveal()}}
	if auth.PreviousUsername != "" {
		sets = append(sets, webhook.Credentials{Username: auth.PreviousUsername.Reveal(), Password: auth.PreviousPassword.Reveal()})
	}
	return sets
}

// credentialFiles follows the files that credentials were given as. It looks at their
// content: how they are changed, by a link to a directory that is swapped or in place,
// differs, and with it what a file system would tell.
// https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod
type credentialFiles struct {
	auth    config.Auth
	use     func([]webhook.Credentials)
	metrics *metrics
	logger  zerolog.Logger

	used    []webhook.Credentials
	seen    []webhook.Credentials // at the last look
	failing bool
}

// look reads the files. Something new is used only if the look before found the same:
// files that are being written, or swapped between two reads, do not mix old and new.
func (f *credentialFiles) look() {
	auth, err := f.auth.Reload()
	if err != nil {
		f.metrics.reloadFailures.Inc()
		if !f.failing {
			f.logger.Error().Err(err).Msg("credentials cannot be read again: those read before stay in use")
		}
		f.failing = true
		return
	}
	f.failing = false
	found := credentials(auth)
	settled := slices.Equal(found, f.seen)
	f.seen = found
	if !settled || slices.Equal(found, f.used) {
		return
	}
	f.used = found
	f.use(found)
	f.logger.Info().Int("sets", len(found)).Msg("credentials changed")
}

// WatchCredentials uses what the files of credentials hold, whenever that changes, until
// ctx ends. Without such files it returns at once. Run does it by itself.
func (r *Receiver) WatchCredentials(ctx context.Context) {
	if !r.settings.Auth.FromFiles() {
		return
	}
	files := &credentialFiles{
		auth:    r.settings.Auth,
		use:     r.handler.SetCredentials,
		metrics: r.metrics,
		logger:  r.logger,
		used:    credentials(r.settings.Auth),
	}
	looks := time.NewTicker(lookInterval)
	defer looks.Stop()
	for {
		select {
		case <-looks.C:
			files.look()
		case <-ctx.Done():
			return
		}
	}
}

// watching is WatchCredentials as a part of the process.
func (r *Receiver) watching() lifecycle.Part {
	var cancel context.CancelFunc
	ended := make(chan struct{})
	return lifecycle.Part{
		Name: "credentials",
		Start: func(ctx context.Context) error {
			ctx, cancel = context.WithCancel(ctx) //nolint:gosec // Stop calls it
			go func() {
				defer close(ended)
				r.WatchCredentials(ctx)
			}()
			return nil
		},
		Stop: func(ctx context.Context) error {
			cancel()
			select {
			case <-ended:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		},
		Limit: lookTimeout,
	}
}
