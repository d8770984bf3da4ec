package commands_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// The console is tested in a browser if browserVariable is set: make test-browser does. With
// screenshotsVariable the test writes the pictures of README.md into that directory.
const (
	browserVariable     = "TEST_BROWSER"
	screenshotsVariable = "TEST_SCREENSHOTS"
)

// browser is a tab of Chromium.
type browser struct {
	*testing.T
	ctx context.Context
}

// openBrowser starts Chromium, or skips the test.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	if os.Getenv(browserVariable) == "" {
		t.Skip("make test-browser tests the console in Chromium")
	}
	var program string
	for _, name := range []string{"chromium", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && program == "" {
			program = found
		}
	}
	if program == "" {
		t.Skip("Chromium is not installed, for example with apt-get install chromium: the console is not tested in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(func() { stop(); stopAllocator() })
	if err := chromedp.Do(ctx); err != nil { // starts it, for as long as ctx lasts
		t.Fatal(err)
	}
	return &browser{t, ctx}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatalf("%v\n%s", err, b.text())
	}
}

// eval returns the value of an expression of JavaScript.
func eval[T any](b *browser, expression string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return value
}

// text returns what the page shows.
func (b *browser) text() string { return eval[string](b, "document.body.innerText") }

// awaits waits until an expression is true.
func (b *browser) awaits(expression string) {
	b.Helper()
	for deadline := time.Now().Add(30 * time.Second); !eval[bool](b, expression); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("after 30 s, %s is false:\n%s", expression, b.text())
		}
	}
}

// shows waits until the page shows a text.
func (b *browser) shows(text string) {
	b.Helper()
	b.awaits(fmt.Sprintf("document.body?.innerText.includes(%q) ?? false", text))
}

// applied waits until an action, and not its dry run, has ended.
func (b *browser) applied() {
	b.Helper()
	b.awaits("document.querySelector('[data-ended]') !== null && !document.body.innerText.includes('Dry run')")
}

// press clicks the button with a text, and waits for the page that shows another text.
func (b *browser) press(button, shown string) {
	b.Helper()
	b.do(chromedp.Click(chromedp.Search(fmt.Sprintf("//button[normalize-space()=%q]", button))))
	b.shows(shown)
}

// screen sets width, height and colours.
func (b *browser) screen(width, height int64, scheme string) {
	b.Helper()
	b.do(chromedp.EmulateViewport(width, height))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	if err != nil {
		b.Fatal(err)
	}
}

// picture writes a screenshot, if that is asked for.
func (b *browser) picture(name string) {
	b.Helper()
	directory := os.Getenv(screenshotsVariable)
	if directory == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(directory, name+".png"), picture, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// isUsable checks a page: no part is wider than the screen, each control has a label, and a keyboard
// reaches it.
func (b *browser) isUsable(path string) {
	b.Helper()
	if width := eval[string](b, "document.documentElement.scrollWidth + ' of ' + innerWidth"); strings.Fields(width)[0] != strings.Fields(width)[2] {
		b.Errorf("%s is %s pixels wide", path, width)
	}
	const controls = `[...document.querySelectorAll('input:not([type=hidden]), select, button, a')]`
	unnamed := eval[string](b, controls+`.filter(c => !(c.innerText?.trim() || c.labels?.length || c.ariaLabel)).map(c => c.outerHTML).join()`)
	unreachable := eval[string](b, controls+`.filter(c => c.tabIndex < 0).map(c => c.outerHTML).join()`)
	if unnamed != "" || unreachable != "" {
		b.Errorf("%s: without a label: %s; not reachable: %s", path, unnamed, unreachable)
	}
}

// step runs a part of a test.
func (b *browser) step(name string, run func(b *browser)) {
	b.Run(name, func(t *testing.T) { run(&browser{t, b.ctx}) })
}

func TestConsole_Browser(t *testing.T) {
	t.Parallel()
	b := openBrowser(t)
	d := deploy(t)
	d.must("tables", "create")
	d.sendInvalidDeadLetters("ev", 200)
	d.sendDeadLetter(`{"id":"ev_held","event_type":"pending_invoice_created","api_version":"v2","content":{"invoice":{"id":"draft_held","currency_code":"EUR"}}}`)
	d.hold("draft_held", 1250, 4999)
	released, _, line := d.rejectWithLine("sub_released")
	c := d.startConsole("--archives", t.TempDir())
	b.screen(1280, 800, "light")
	b.do(chromedp.Navigate(c.login))
	b.shows("EUR 62.49")
	if address := eval[string](b, "location.href + document.cookie"); address != c.base+"/" {
		t.Errorf("the token or the cookie is readable: %s", address)
	}

	b.step("live numbers", func(b *browser) {
		eval[any](b, "getSelection().selectAllChildren(document.querySelector('[data-refresh] figcaption')), null")
		eval[any](b, "document.querySelector('#dead').dataset.mine = 'yes', null")
		d.sendDeadLetter("another")
		time.Sleep(6 * time.Second) // more than one refresh
		b.awaits("document.querySelector('#dead').dataset.mine === 'yes'")
		eval[any](b, "getSelection().removeAllRanges(), null")
		b.awaits("document.querySelector('#dead').innerText === '202' && document.querySelectorAll('#dead').length === 1")
	})
	b.step("pages", func(b *browser) {
		paths := []string{"/", "/dead-letters", "/dead-letter?id=ev_held", "/invoices?by=subscription&q=sub_released", "/invoice?id=" + released, "/calls"}
		for _, screen := range []struct {
			width  int64
			scheme string
		}{{1280, "light"}, {1280, "dark"}, {390, "light"}, {390, "dark"}} {
			b.screen(screen.width, 844, screen.scheme)
			for _, path := range paths {
				b.do(chromedp.Navigate(c.base + path))
				b.isUsable(fmt.Sprintf("%s at %d, %s", path, screen.width, screen.scheme))
			}
		}
		b.do(chromedp.Navigate(c.base + "/invoice?id=" + released))
		b.picture("console-phone")
		b.screen(1280, 800, "light")
	})

	b.step("replay by filter", func(b *browser) {
		b.do(chromedp.Navigate(c.base + "/dead-letters?reason=too_old"))
		b.shows("all 200 that match")
		b.do(chromedp.Click(chromedp.CSS("input[data-all]")))
		b.shows("the 200 selected")
		b.do(chromedp.Click(chromedp.CSS("input[name=scope][value=all]")))
		b.picture("console-dead-letters")
		b.press("Replay: dry run", "200 replayed")
		b.shows("Dry run: nothing was changed.")
		if queued := len(queues.Messages(d.name)); queued != 0 {
			b.Errorf("the dry run put %d messages into the queue", queued)
		}
		b.press("Apply now", "200 replayed")
		b.applied()
		if queued, dead := len(queues.Messages(d.name)), len(queues.Messages(d.name+"_dead")); queued != 200 || dead != 2 {
			b.Errorf("%d are in the queue, %d are dead letters", queued, dead)
		}
	})

	b.step("refused discard", func(b *browser) {
		b.do(chromedp.Navigate(c.base + "/dead-letters?event=ev_held"))
		b.do(chromedp.Click(chromedp.CSS("input[name=message]")), chromedp.SendKeys(chromedp.CSS("fieldset input[name=note]"), "test data"))
		b.press("Discard: dry run", "only this message leads to the events")
		if text := b.text(); !strings.Contains(text, "1 refused") || strings.Contains(text, "Apply now") {
			b.Errorf("got %s", text)
		}
	})

	b.step("release", func(b *browser) {
		if err := d.chargebee.RemoveLine(released, line); err != nil {
			b.Fatal(err)
		}
		b.do(chromedp.Navigate(c.base + "/invoice?id=" + released))
		b.press("Release events: dry run", "Would be: 1 events unbilled again")
		b.press("Apply now", "Released: 1 events unbilled again")
	})

	b.step("pause and resume by keyboard", func(b *browser) {
		b.do(chromedp.Navigate(c.base+"/calls"), chromedp.Focus(chromedp.CSS("input[name=note]")), chromedp.KeyEvent("prices are wrong\t\r"))
		b.shows("Dry run: nothing was changed.")
		b.do(chromedp.Focus(chromedp.CSS("main button")), chromedp.KeyEvent("\r"))
		b.applied()
		b.do(chromedp.Navigate(c.base + "/"))
		b.shows("paused by an operator")
		b.do(chromedp.Navigate(c.base + "/calls"))
		b.press("Resume calls: dry run", "prices are wrong")
		b.press("Apply now", "All processes call Chargebee again")
		b.applied()
		if got := d.must("resume"); !strings.Contains(got, "Calls are not paused.") {
			b.Errorf("got %s", got)
		}
	})

	b.step("hostile texts", func(b *browser) {
		hostile := `"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`
		d.event("sub_hostile", "e1", "12", "EUR")
		d.reject(hostile, "sub_hostile", time.Hour)
		for _, path := range []string{"/invoice?id=", "/invoices?by=customer&q=", "/dead-letters?customer="} {
			b.do(chromedp.Navigate(c.base + path + url.QueryEscape(hostile)))
			b.awaits("document.title !== 'owned' && document.images.length === 0 && document.scripts.length === 1")
		}
		// The policy also stops what would get into a page.
		eval[any](b, "document.body.insertAdjacentHTML('beforeend', `<img src=/x onerror=\"document.title='owned'\">`), null")
		time.Sleep(200 * time.Millisecond)
		b.awaits("document.title !== 'owned'")
	})

	b.step("read-only", func(b *browser) {
		c := d.startConsole("--read-only")
		b.do(chromedp.Navigate(c.login))
		b.shows("read-only")
		for _, path := range []string{"/dead-letters", "/invoice?id=" + released, "/calls"} {
			b.do(chromedp.Navigate(c.base + path))
			b.awaits("document.querySelectorAll('main form[method=post] button').length === 0")
		}
		status := eval[int](b, "fetch('/calls/pause', {method: 'POST'}).then(r => r.status)")
		if status != http.StatusForbidden {
			b.Errorf("an action: %d", status)
		}
	})
}
