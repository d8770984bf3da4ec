package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCreateStack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ status, want string }{
		"created":     {"CREATE_COMPLETE", ""},
		"not created": {"ROLLBACK_COMPLETE", "the stack is ROLLBACK_COMPLETE"},
		"refused":     {"", "400 Bad Request: no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case test.status == "":
					http.Error(w, "no", http.StatusBadRequest)
				case r.FormValue("Action") == "DescribeStacks":
					_, _ = io.WriteString(w, "<R><DescribeStacksResult><Stacks><member><StackStatus>"+test.status+"</StackStatus></member></Stacks></DescribeStacksResult></R>")
				}
			}))
			defer server.Close()
			err := createStack(t.Context(), server.URL, "Resources: {}")
			if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Error(err)
			}
		})
	}
}
