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

// member registers this consumer in the ledger, and compares its settings with those of the other consumers.
type member struct {
	id       string
	settings config.Consumer
	store    *dynamostore.Store
	logger   zerolog.Logger
	now      func() time.Time

	joined chan struct{} // closed after the first report: the settings fit the ledger
	// Only check and report use the next two.
	nextReport time.Time
	ended      []string // ids of the consumers that the next report removes

	mu          sync.Mutex
	differences []string // of the last check
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

// check reports this consumer to the ledger, every installation.ReportInterval, and compares the settings. Its error
// is an *config.Error if the settings do not fit the ledger.
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

// report writes this consumer to the ledger and removes the ended ones. It returns the resulting state of the ledger.
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

// whenJoined waits until this consumer has joined, and calls work. If ctx ends before, it returns nil.
func (m *member) whenJoined(ctx context.Context, work func(context.Context) error) error {
	select {
	case <-m.joined:
		return work(ctx)
	case <-ctx.Done():
		return nil
	}
}

// leave removes this consumer from the ledger. Without that it counts as running for installation.MemberTimeout.
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

// recordDifferences stores the differences. It logs them if there are any and they have changed.
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
