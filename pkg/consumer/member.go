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
	// The fields below belong to check.
	nextReport time.Time
	ended      []string // ids of consumers to remove

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

// check joins the consumers of the ledger, reports now and then that this one is still running, and compares the
// settings. Its error is an *config.Error if the settings do not fit the ledger.
func (m *member) check(ctx context.Context) error {
	now := m.now()
	found, err := m.store.Installation(ctx)
	if err != nil {
		return err
	}
	if !m.hasJoined() {
		if err := found.Check(m.settings, now); err != nil {
			return err
		}
	}
	if !now.Before(m.nextReport) {
		if found, err = m.report(ctx, now); err != nil {
			return err
		}
	}
	skew := m.settings.Clock.MaxSkew
	m.ended = found.Ended(now, skew)
	m.recordDifferences(installation.Differences(m.settings.Shared(), found.Live(now, skew)))
	return nil
}

func (m *member) report(ctx context.Context, now time.Time) (installation.State, error) {
	report := installation.Member{ID: m.id, SeenAt: now.Unix(), Settings: m.settings.Shared()}
	found, applied, err := m.store.Report(ctx, m.settings.Chargebee.Host(), report, m.ended)
	if err != nil {
		return found, err
	}
	if !applied {
		return found, found.Check(m.settings, now)
	}
	m.nextReport = now.Add(installation.ReportInterval)
	if !m.hasJoined() {
		close(m.joined)
	}
	return found, nil
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

func (m *member) countDifferences() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return float64(len(m.differences))
}
