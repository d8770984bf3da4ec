package receiver

import (
	"context"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/webhook"
)

// credentialsOf returns the accepted credentials: one pair, or two while credentials are rotated.
func credentialsOf(auth config.Auth) []webhook.Credentials {
	accepted := []webhook.Credentials{{Username: auth.Username.Reveal(), Password: auth.Password.Reveal()}}
	if auth.PreviousUsername != "" {
		accepted = append(accepted, webhook.Credentials{Username: auth.PreviousUsername.Reveal(), Password: auth.PreviousPassword.Reveal()})
	}
	return accepted
}

// WatchCredentials replaces the accepted credentials when their files change, until ctx ends. If the credentials
// have no files, it returns immediately. Run calls it.
func (r *Receiver) WatchCredentials(ctx context.Context) {
	config.Watch(ctx, r.settings.Auth, func(auth config.Auth) {
		accepted := credentialsOf(auth)
		r.handler.SetCredentials(accepted)
		r.logger.Info().Int("sets", len(accepted)).Msg("credentials changed")
	}, r.reloadFailed)
}
