package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestPage holds what people read against what is known.
func TestPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	made, err := filled(string(text))
	if err != nil || made != string(text) {
		t.Errorf("%s is not as it has to be: go run ./scripts/conformance --page (%v)", page, err)
	}
	if _, err := filled("no sections"); err == nil {
		t.Error("a page without sections was filled")
	}
	for file, pinned := range map[string]string{"requirements.txt": `==(.+)`, "elasticmq/pom.xml": `elasticmq-server.*\s*<version>(.+)</version>`} {
		list, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pinned).FindAllStringSubmatch(string(list), -1)
		if len(found) == 0 {
			t.Errorf("%s pins nothing", file)
		}
		for _, version := range found {
			if !strings.Contains(string(text), version[1]) {
				t.Errorf("%s does not say that %s has %s", page, file, version[1])
			}
		}
	}
}
