package consumer

import (
	"context"
	"crypto/rand"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/installation"
)

const leaveTimeout = time.Second

// member reports this process to the other consumers of the ledger, and compares their settings.
type member struct {
	id       string
	settings config.Consumer
	store    *dynamostore.Store
	logger   zerolog.Logger
	now      func() time.Time

	joined chan struct{} // closed when the settings are known to fit the ledger
	ended  []string      // ids of consumers to remove; of report

	mu          sync.Mutex
	differences []string
}

func newMember(settings config.Consumer, store *dynamostore.Store, logger zerolog.Logger, now func() time.Time) *member {
	host, err := os.Hostname()
	if err != nil {
		host = "consumer"
	}
	return &member{
		id:       host + "-" + strings.ToLower(rand.Text()[:6]),
		settings: settings,
		store:    store,
		logger:   logger,
		now:      now,
		joined:   make(chan struct{}),
	}
}

// report joins the consumers of the ledger, or reports that this one is still running. Its error is an *config.Error if
// the settings do not fit the ledger.
func (m *member) report(ctx context.Context) error {
	if !m.hasJoined() {
		found, err := m.store.Installation(ctx)
		if err != nil {
			return err
		}
		if err := found.Check(m.settings, m.now()); err != nil {
			return err
		}
	}
	shared, site := m.settings.Shared(), m.settings.Chargebee.Host()
	found, applied, err := m.store.Report(ctx, site, installation.Member{ID: m.id, SeenAt: m.now().Unix(), Settings: shared}, m.ended)
	switch {
	case err != nil:
		return err
	case !applied:
		return found.Check(m.settings, m.now())
	case !m.hasJoined():
		close(m.joined)
	}
	skew := m.settings.Clock.MaxSkew
	m.ended = found.Ended(m.now(), skew)
	m.recordDifferences(installation.Differences(shared, found.Live(m.now(), skew)))
	return nil
}

func (m *member) hasJoined() bool {
	select {
	case <-m.joined:
		return true
	default:
		return false
	}
}

// whenJoined calls work as soon as the settings are known to fit the ledger, unless ctx ends before.
func (m *member) whenJoined(ctx context.Context, work func(context.Context) error) error {
	select {
	case <-m.joined:
		return work(ctx)
	case <-ctx.Done():
		return nil
	}
}

// leave removes this process from the consumers of the ledger. Otherwise it counts as running for some time.
func (m *member) leave(ctx context.Context) error {
	if !m.hasJoined() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	if err := m.store.Leave(ctx, m.id); err != nil {
		m.logger.Warn().Err(err).Msg("consumer did not leave the ledger; it counts as running for some time")
	}
	return nil
}

// recordDifferences logs the settings in which others differ, if they changed.
func (m *member) recordDifferences(found []installation.Difference) {
	texts := make([]string, len(found))
	for i, difference := range found {
		texts[i] = difference.String()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(texts) > 0 && !slices.Equal(texts, m.differences) {
		m.logger.Warn().Strs("differences", texts).Msg("settings of consumers differ")
	}
	m.differences = texts
}

// countDifferences returns the number of settings in which others differ.
func (m *member) countDifferences() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return float64(len(m.differences))
}
