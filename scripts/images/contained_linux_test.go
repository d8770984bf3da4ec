package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/scripts/testbed"
)

const nonRootID = 65532

// contain becomes a process as Kubernetes starts it: with a read-only root of its own, as a user
// other than root, without capabilities. It even lacks /proc and /dev, which every container has.
// It returns only an error.
func contain(root string, command []string) error {
	runtime.LockOSThread()
	// Namespace and root belong to the thread, and exec makes it the only one.
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	for _, mount := range []struct {
		source, target string
		flags          uintptr
	}{
		{"", "/", syscall.MS_REC | syscall.MS_PRIVATE},
		{root, root, syscall.MS_BIND},
		{"", root, syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY},
	} {
		if err := syscall.Mount(mount.source, mount.target, "", mount.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", mount.target, err)
		}
	}
	if err := errors.Join(syscall.Chroot(root), syscall.Chdir("/")); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	if err := os.WriteFile("/written", nil, 0o600); !errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("the root can be written to: %w", err)
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nonRootID), syscall.Setuid(nonRootID)); err != nil {
		return fmt.Errorf("change the user: %w", err)
	}
	return fmt.Errorf("exec %s: %w", command[0], syscall.Exec(command[0], command, os.Environ()))
}

// unpack extracts an image into a directory.
func unpack(t *testing.T, image v1.Image) (root string) {
	t.Helper()
	root = t.TempDir()
	files := mutate.Extract(image)
	defer files.Close()
	for unpacked := tar.NewReader(files); ; {
		header, err := unpacked.Next()
		if errors.Is(err, io.EOF) {
			// Only its owner may read a test's directory.
			if err := os.Chmod(root, 0o755); err != nil {
				t.Fatal(err)
			}
			return root
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, header.Name)
		if header.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else {
			var content []byte
			content, err = io.ReadAll(unpacked)
			err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, os.FileMode(header.Mode)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// containerCommand returns the command that starts an image.
func containerCommand(t *testing.T, root string, image v1.Image, environ []string, args ...string) testbed.Command {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := testbed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return testbed.Command{
		Binary: self, Args: append(config.Config.Entrypoint, args...), Admin: admin,
		Env: append(append(environ, config.Config.Env...), containerRoot+"="+root),
	}
}

func start(t *testing.T, command testbed.Command) *testbed.Process {
	t.Helper()
	process, err := testbed.Start(command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Kill)
	return process
}

// waitForSuccess waits until a process exits with 0.
func waitForSuccess(t *testing.T, process *testbed.Process) {
	t.Helper()
	<-process.Exited()
	if code := process.ExitState().ExitCode(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
}

// checkConfined checks the user and the capabilities of a process.
func checkConfined(t *testing.T, process *testbed.Process) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t65532\t65532\t65532\t65532\n", "Gid:\t65532\t65532\t65532\t65532\n", "CapEff:\t0000000000000000\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("not %q:\n%s", want, status)
		}
	}
}

// TestImages_Contained runs the images that make images built, from creating the tables to a
// closed invoice.
func TestImages_Contained(t *testing.T) {
	directory := os.Getenv("IMAGES")
	if directory == "" {
		t.Skip("IMAGES is not set: run make test-images")
	}
	if os.Getuid() != 0 {
		t.Skip("only root can change the root of a process")
	}
	// Root in a container may have fewer rights.
	probe := exec.Command("/proc/self/exe", "-test.run", "^$")
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if err := probe.Run(); err != nil {
		t.Skip("root has no right to unshare mounts here:", err)
	}
	world, err := testbed.New(testbed.Options{Chargebee: chargebee.Config{KeepDate: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	if err := world.CreateQueues(t.Context()); err != nil {
		t.Fatal(err)
	}
	load := func(name string) v1.Image {
		image, err := tarball.ImageFromPath(filepath.Join(directory, name+"-linux-"+runtime.GOARCH+".tar"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	receiver, consumer := load("receiver"), load("consumer")
	receiverRoot, consumerRoot := unpack(t, receiver), unpack(t, consumer)
	waitForSuccess(t, start(t, containerCommand(t, consumerRoot, consumer, world.ConsumerEnviron(), "tables", "create")))

	address, err := testbed.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	running := []*testbed.Process{
		start(t, containerCommand(t, receiverRoot, receiver, append(world.AWSEnviron(),
			"BILLABLE_QUEUE_URL="+world.QueueURL, "BILLABLE_AUTH_USERNAME=user", "BILLABLE_AUTH_PASSWORD=password",
			"BILLABLE_HTTP_ADDR="+address, "BILLABLE_HTTP_SHUTDOWN_DELAY=1s", "BILLABLE_LOG_LEVEL=warn"))),
		start(t, containerCommand(t, consumerRoot, consumer, world.ConsumerEnviron())),
	}
	for _, process := range running {
		if err := process.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkConfined(t, process)
	}
	if _, err := world.Fill(t.Context(), testbed.Workload{Invoices: 1, Events: 3, Codes: 1}); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = world.Chargebee.Deliver(t.Context(), chargebee.Endpoint{URL: "http://" + address + "/webhooks/chargebee", Username: "user", Password: "password"})
	}()
	for world.Chargebee.Invoices()[0].Status == chargebee.StatusPending {
		select {
		case <-t.Context().Done():
			t.Fatal("the invoice was not closed")
		case <-time.After(20 * time.Millisecond):
		}
	}
	for _, process := range running {
		process.Signal(syscall.SIGTERM)
	}
	for _, process := range running {
		waitForSuccess(t, process)
	}
	account, err := world.Reconcile(t.Context())
	if err != nil || !account.Reconciled() {
		t.Errorf("billed is not expected: %+v, %v", account, err)
	}
}
