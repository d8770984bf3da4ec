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
	// reloadInterval is the time between reads of credential files. New credentials are accepted
	// when two consecutive reads return them, so after 6 s at most.
	reloadInterval = 3 * time.Second
	// reloadStopTimeout is for a read that runs at shutdown.
	reloadStopTimeout = time.Second
)

// credentialsOf returns the accepted credentials: one pair, during a rotation two.
func credentialsOf(auth config.Auth) []webhook.Credentials {
	accepted := []webhook.Credentials{{Username: auth.Username.Reveal(), Password: auth.Password.Reveal()}}
	if auth.PreviousUsername != "" {
		accepted = append(accepted, webhook.Credentials{Username: auth.PreviousUsername.Reveal(), Password: auth.PreviousPassword.Reveal()})
	}
	return accepted
}

// credentialReloader polls credential files. It compares their contents, because file system
// events differ between a symlink swap and a write in place.
// https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod
type credentialReloader struct {
	auth    config.Auth
	set     func([]webhook.Credentials)
	metrics *metrics
	logger  zerolog.Logger

	accepted []webhook.Credentials
	lastRead []webhook.Credentials
	failing  bool
}

// poll reads the files once. Two consecutive reads must agree, so that files that are being
// written or swapped do not mix old and new values.
func (r *credentialReloader) poll() {
	auth, err := r.auth.Reload()
	if err != nil {
		r.metrics.reloadFailures.Inc()
		if !r.failing {
			r.logger.Error().Err(err).Msg("credential reload failed; keeping current credentials")
		}
		r.failing = true
		return
	}
	r.failing = false
	read := credentialsOf(auth)
	stable := slices.Equal(read, r.lastRead)
	r.lastRead = read
	if !stable || slices.Equal(read, r.accepted) {
		return
	}
	r.accepted = read
	r.set(read)
	r.logger.Info().Int("sets", len(read)).Msg("credentials changed")
}

// WatchCredentials accepts the credentials in their files when these change, until ctx ends.
// Without such files it returns immediately. Run calls it.
func (r *Receiver) WatchCredentials(ctx context.Context) {
	if !r.settings.Auth.FromFiles() {
		return
	}
	reloader := &credentialReloader{
		auth:     r.settings.Auth,
		set:      r.handler.SetCredentials,
		metrics:  r.metrics,
		logger:   r.logger,
		accepted: credentialsOf(r.settings.Auth),
	}
	ticker := time.NewTicker(reloadInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			reloader.poll()
		case <-ctx.Done():
			return
		}
	}
}

// credentialWatcher returns WatchCredentials as a component.
func (r *Receiver) credentialWatcher() lifecycle.Component {
	var stop func()
	return lifecycle.Component{
		Name: "credentials",
		Start: func(ctx context.Context) error {
			stop = lifecycle.Background(ctx, r.WatchCredentials)
			return nil
		},
		Stop: func(context.Context) error {
			stop()
			return nil
		},
		StopTimeout: reloadStopTimeout,
	}
}
