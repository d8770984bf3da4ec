package dynamodb

import (
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

type updateContinuousBackupsInput struct {
	TableName                        string
	PointInTimeRecoverySpecification struct{ PointInTimeRecoveryEnabled bool }
}

type continuousBackupsOutput struct {
	ContinuousBackupsDescription continuousBackups
}

type continuousBackups struct {
	ContinuousBackupsStatus        string
	PointInTimeRecoveryDescription pointInTimeRecovery
}

type pointInTimeRecovery struct {
	PointInTimeRecoveryStatus  string
	EarliestRestorableDateTime float64 `json:",omitempty"`
	LatestRestorableDateTime   float64 `json:",omitempty"`
}

// updateContinuousBackups keeps the setting only: nothing can be restored.
func (s *Service) updateContinuousBackups(input *updateContinuousBackupsInput, _ awsjson.Call) (*continuousBackupsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	t, err := s.table(input.TableName, now)
	if err != nil {
		return nil, err
	}
	switch enabled := input.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled; {
	case !enabled:
		t.pointInTimeRecovery = time.Time{}
	case t.pointInTimeRecovery.IsZero():
		t.pointInTimeRecovery = now
	}
	return t.continuousBackups(now), nil
}

func (s *Service) describeContinuousBackups(input *tableInput, _ awsjson.Call) (*continuousBackupsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	t, err := s.table(input.TableName, now)
	if err != nil {
		return nil, err
	}
	return t.continuousBackups(now), nil
}

func (t *table) continuousBackups(now time.Time) *continuousBackupsOutput {
	recovery := pointInTimeRecovery{PointInTimeRecoveryStatus: "DISABLED"}
	if !t.pointInTimeRecovery.IsZero() {
		recovery = pointInTimeRecovery{
			PointInTimeRecoveryStatus:  "ENABLED",
			EarliestRestorableDateTime: epoch(t.pointInTimeRecovery),
			LatestRestorableDateTime:   epoch(now),
		}
	}
	return &continuousBackupsOutput{continuousBackups{
		ContinuousBackupsStatus:        "ENABLED",
		PointInTimeRecoveryDescription: recovery,
	}}
}

// epoch is a time as it stands in JSON: seconds since 1970.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
