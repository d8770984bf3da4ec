package langcheck

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	code    = regexp.MustCompile("(?s)```.*?```")
	named   = regexp.MustCompile("`((?:Test|Benchmark|Fuzz)[A-Z][A-Za-z0-9_]*)`")
	dropped = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinks_LeadToHeadings follows each link between the pages, with its anchor.
func TestLinks_LeadToHeadings(t *testing.T) {
	t.Parallel()
	followed := 0
	for _, page := range files(t, ".md") {
		for _, found := range link.FindAllStringSubmatch(code.ReplaceAllString(read(t, page), ""), -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			followed++
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: there is no %s", page, target)
			} else if anchor != "" && !anchors(read(t, file))[anchor] {
				t.Errorf("%s: %s has no heading #%s", page, file, anchor)
			}
		}
	}
	if followed < 100 {
		t.Errorf("only %d links were found", followed)
	}
}

// TestNames_Exist looks for each test that a page names.
func TestNames_Exist(t *testing.T) {
	t.Parallel()
	functions := map[string]bool{}
	for _, file := range files(t, ".go") {
		for _, found := range regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w+)\(`).FindAllStringSubmatch(read(t, file), -1) {
			functions[found[1]] = true
		}
	}
	for _, page := range files(t, ".md") {
		for _, found := range named.FindAllStringSubmatch(code.ReplaceAllString(read(t, page), ""), -1) {
			if name := found[1]; !functions[name] && name != "TestType_Behaviour" && name != "TestFunction" {
				t.Errorf("%s: there is no %s", page, name)
			}
		}
	}
}

// TestArchitecture_NamesFunctions looks for each function of the path of one invoice in its file.
func TestArchitecture_NamesFunctions(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(read(t, root+"/docs/architecture.md"), "## One invoice, followed through the code")
	section, _, _ = strings.Cut(section, "\n## ")
	inCode := regexp.MustCompile("`([^`]+)`")
	rows := regexp.MustCompile(`(?m)^\| [^|]+ \| ([^|]+) \| ([^|]+) \|$`).FindAllStringSubmatch(section, -1)
	for _, row := range rows[1:] {
		sources, directory := "", ""
		for _, found := range inCode.FindAllStringSubmatch(row[2], -1) {
			if strings.Contains(found[1], "/") {
				directory = filepath.Dir(found[1])
			}
			sources += read(t, filepath.Join(root, directory, filepath.Base(found[1])))
		}
		for _, found := range inCode.FindAllStringSubmatch(row[1], -1) {
			name := found[1][strings.LastIndex(found[1], ".")+1:]
			if !regexp.MustCompile(`(?m)^(func (\([^)]*\) )?` + name + `\(|type ` + name + `\b)`).MatchString(sources) {
				t.Errorf("%s is not in %s", found[1], row[2])
			}
		}
	}
	if len(rows) < 10 {
		t.Errorf("only %d rows were found", len(rows))
	}
}

func files(t *testing.T, extension string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." {
			return filepath.SkipDir
		}
		if err == nil && filepath.Ext(path) == extension {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// anchors returns the anchors that GitHub makes of the headings.
func anchors(content string) map[string]bool {
	all := map[string]bool{}
	for _, found := range heading.FindAllStringSubmatch(code.ReplaceAllString(content, ""), -1) {
		anchor := strings.ReplaceAll(strings.ToLower(dropped.ReplaceAllString(found[1], "")), " ", "-")
		all[anchor] = true
	}
	return all
}
