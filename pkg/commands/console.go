package commands

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/console"
	"github.com/billable-events/billable/pkg/lifecycle"
)

const (
	minTokenBytes         = 20
	callerReadTimeout     = 5 * time.Second
	consoleHeaderTimeout  = 5 * time.Second // to read the header of a request
	consoleRequestTimeout = 2 * time.Minute // to read a request, and to write its response
	consoleStopTimeout    = time.Second     // to finish the requests in flight
)

type consoleFlags struct {
	addr                 string
	cert, key, tokenFile string // paths
	archives             string // directory
	readOnly             bool
}

func (a *app) console() *cobra.Command {
	var flags consoleFlags
	var cfg console.Config
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Serve the operator's web page",
		Long: "Serve a web page for operators, with the credentials and settings of this process: queues, dead letters, invoices, and the " +
			"actions of the other commands. Without --token-file it prints its address with a token for one login. An address other than loopback needs TLS and a token file.",
		Example: "  consumer console --read-only",
		PreRunE: func(*cobra.Command, []string) (err error) {
			if cfg, err = flags.load(); err != nil {
				return cli.UsageError{Err: err}
			}
			return nil
		},
		RunE: a.withSiteDeps(func(ctx context.Context, deps Deps, _ []string) error {
			cfg.Log = deps.log.Level(min(deps.log.GetLevel(), zerolog.InfoLevel)) // log.level must not hide actions
			cfg.Operations, cfg.Caller = operations{deps, flags.archives}, deps.caller(ctx)
			return a.serveConsole(ctx, flags, cfg)
		}, config.QueueURL, config.DeadLetterURL),
	}
	set := cmd.Flags()
	set.StringVar(&flags.addr, "addr", "127.0.0.1:9092", "address to listen on")
	set.BoolVar(&flags.readOnly, "read-only", false, "no actions (default: with actions)")
	set.StringVar(&flags.cert, "tls-cert", "", "certificate file (PEM); with --tls-key the page is served with TLS")
	set.StringVar(&flags.key, "tls-key", "", "key file of the certificate (PEM)")
	set.StringVar(&flags.tokenFile, "token-file", "", "file with the token for logins (default: a random one for one login)")
	set.StringVar(&flags.archives, "archives", ".", "directory for the archives of discarded dead letters")
	return cmd
}

// load checks the flags and reads their files. It returns a Config without Operations, Caller and Log.
func (f consoleFlags) load() (console.Config, error) {
	cfg := console.Config{ReadOnly: f.readOnly, Token: rand.Text(), Now: time.Now}
	host, _, err := net.SplitHostPort(f.addr)
	if err != nil {
		return cfg, fmt.Errorf("invalid --addr: %w", err)
	}
	loopback := host == "localhost" || net.ParseIP(host).IsLoopback()
	switch {
	case !loopback && (f.cert == "" || f.tokenFile == ""):
		return cfg, fmt.Errorf("--addr %s is not on loopback: it needs --tls-cert, --tls-key and --token-file", f.addr)
	case (f.cert == "") != (f.key == ""):
		return cfg, errors.New("--tls-cert and --tls-key belong together")
	}
	if f.cert != "" {
		certificate, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return cfg, fmt.Errorf("invalid --tls-cert or --tls-key: %w", err)
		}
		cfg.Certificate = &certificate
	}
	if f.tokenFile != "" {
		content, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return cfg, fmt.Errorf("invalid --token-file: %w", err)
		}
		cfg.Token, cfg.TokenReusable = strings.TrimSpace(string(content)), true
		if len(cfg.Token) < minTokenBytes {
			return cfg, fmt.Errorf("invalid --token-file: the token is shorter than %d bytes", minTokenBytes)
		}
	}
	return cfg, nil
}

// serveConsole serves the console until ctx ends or the server fails.
func (a *app) serveConsole(ctx context.Context, flags consoleFlags, cfg console.Config) error {
	page := console.New(cfg)
	defer lifecycle.Background(ctx, page.Run)()
	server := &http.Server{Handler: page, ReadHeaderTimeout: consoleHeaderTimeout, ReadTimeout: consoleRequestTimeout, WriteTimeout: consoleRequestTimeout}
	scheme, serve := "http", server.Serve
	if cfg.Certificate != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cfg.Certificate}, MinVersion: tls.VersionTLS12}
		scheme, serve = "https", func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", flags.addr)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- serve(listener) }()
	address := scheme + "://" + listener.Addr().String()
	if cfg.TokenReusable {
		a.printLinef("Open %s/ and log in with the token of %s. Ctrl-C stops the console.", address, flags.tokenFile)
	} else {
		a.printLinef("Open %s/login?token=%s which is for one login. Ctrl-C stops the console.", address, cfg.Token)
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), consoleStopTimeout)
	defer cancel()
	if server.Shutdown(stopCtx) != nil {
		_ = server.Close() // closes the connections; the end of page.Run waits for the actions
	}
	return err
}

// caller returns the ARN of this process's AWS identity, or unknown.
func (d Deps) caller(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, callerReadTimeout)
	defer cancel()
	identity, err := sts.NewFromConfig(d.AWS).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		d.log.Warn().Err(err).Msg("caller identity could not be read")
		return "unknown"
	}
	return *identity.Arn
}
