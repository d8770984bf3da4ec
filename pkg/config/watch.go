package config

import (
	"context"
	"reflect"
	"time"
)

// reloadInterval is the time between reads of files. New contents are used when two consecutive
// reads return them, so after 6 s at most.
const reloadInterval = 3 * time.Second

// Reloadable is the type of settings with secrets that can be files.
type Reloadable[T any] interface {
	FromFiles() bool
	Reload() (T, error)
}

// Watch reads the files of the settings again until ctx ends, and calls changed with settings that
// differ. Two consecutive reads must agree, so that files that are being written or swapped do not
// mix old and new values. failed is called after each failed read; first is false if the read before
// failed too. Without files Watch returns immediately.
//
// It compares contents, because file system events differ between a symlink swap and a write in place.
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
