package deployments_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
)

type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource struct{ UID string }
	GridPos    struct{ H, W, X, Y int }
	Targets    []struct {
		Expr       string
		Datasource struct{ UID string }
	}
}

type dashboard struct {
	UID        string
	Panels     []panel
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
}

func openDashboard(t *testing.T) dashboard {
	t.Helper()
	content, err := os.ReadFile("grafana/billable.json")
	if err != nil {
		t.Fatal(err)
	}
	var result dashboard
	if err := json.Unmarshal(content, &result); err != nil {
		t.Fatal(err)
	}
	return result
}

// A panel of a metric that does not exist stays empty.
func TestDashboard_MetricsExist(t *testing.T) {
	t.Parallel()
	exports, dashboard, shown := export(t), openDashboard(t), 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			shown++
			for _, fault := range exports.faults(target.Expr) {
				t.Errorf("%s: %s", panel.Title, fault)
			}
		}
	}
	if shown == 0 {
		t.Error("the dashboard shows nothing")
	}
	for _, variable := range dashboard.Templating.List {
		asked := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(variable.Definition)
		if variable.Type == "query" && (asked == nil || len(exports.faults("sum by ("+asked[2]+") ("+asked[1]+")")) > 0) {
			t.Errorf("the variable %s asks for %s", variable.Name, variable.Definition)
		}
	}
}

// It refers to no data source of its own, and its panels have positions.
func TestDashboard_CanBeImported(t *testing.T) {
	t.Parallel()
	dashboard := openDashboard(t)
	if first := dashboard.Templating.List[0]; first.Name != "datasource" || first.Type != "datasource" || dashboard.UID == "" {
		t.Errorf("the first variable is %+v, the uid %q", first, dashboard.UID)
	}
	ids, taken := map[int]string{}, map[[2]int]string{}
	for _, panel := range dashboard.Panels {
		if other, ok := ids[panel.ID]; ok {
			t.Errorf("%s and %s are both panel %d", panel.Title, other, panel.ID)
		}
		ids[panel.ID] = panel.Title
		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
					t.Fatalf("%s lies on %s", panel.Title, other)
				}
				taken[[2]int{x, y}] = panel.Title
			}
		}
		if panel.Type != "row" && panel.Datasource.UID != "${datasource}" {
			t.Errorf("%s is from %q", panel.Title, panel.Datasource.UID)
		}
		for _, target := range panel.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%s reads from %q", panel.Title, target.Datasource.UID)
			}
		}
	}
}
