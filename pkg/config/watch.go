package config

import (
	"context"
	"reflect"
	"time"
)

// reloadInterval is the time between reads of files. A new content is used after the second read that
// returns it: 3 to 6 s after the change.
const reloadInterval = 3 * time.Second

// Reloadable is implemented by settings with secrets that can be read from files.
type Reloadable[T any] interface {
	FromFiles() bool
	Reload() (T, error)
}

// Watch reads the files of the settings periodically until ctx ends. It calls changed when two
// successful reads in a row return the same new settings: a single read can mix old and new files. It
// calls failed after each failed read; first is false if the previous read failed too. If the settings
// have no files, Watch returns immediately.
//
// Watch compares contents, because file system events differ between a symlink swap and a write in place.
// https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod
func Watch[T Reloadable[T]](ctx context.Context, settings T, changed func(T), failed func(err error, first bool)) {
	if !settings.FromFiles() {
		return
	}
	ticker := time.NewTicker(reloadInterval)
	defer ticker.Stop()
	inUse, lastRead, failing := settings, settings, false
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		read, err := settings.Reload()
		if err != nil {
			failed(err, !failing)
			failing = true
			continue
		}
		failing = false
		stable := reflect.DeepEqual(read, lastRead)
		lastRead = read
		if stable && !reflect.DeepEqual(read, inUse) {
			inUse = read
			changed(read)
		}
	}
}
