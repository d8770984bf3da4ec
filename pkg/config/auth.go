package config

import "strings"

// Auth is the credentials that webhooks must bring. Two sets can be live at once. User
// names are secrets in so far as they can be files, beside their passwords.
type Auth struct {
	Username         Secret `key:"username"`
	Password         Secret `key:"password"`
	PreviousUsername Secret `key:"previous_username"`
	PreviousPassword Secret `key:"previous_password"`
	Disabled         bool   `key:"disabled"`

	files secretFiles // that parts of it were given as
}

// FromFiles tells whether a part of the credentials was given as a file, so that Reread
// can find something new.
func (a Auth) FromFiles() bool { return len(a.files) > 0 && !a.Disabled }

// Reread returns the credentials with what their files hold now. An *Error reports every
// fault: a file that cannot be read or is empty, and what does not go together.
func (a Auth) Reread() (Auth, error) {
	reading := a.files.reread(&a, "auth.")
	var f faults
	a.validate(&f)
	return a, finish(reading, f)
}

func (a Auth) validate(f *faults) {
	if !a.Disabled {
		f.missing("auth.username", a.Username.Reveal())
		f.missing("auth.password", a.Password.Reveal())
	}
	f.require(!strings.Contains(a.Username.Reveal(), ":"), "auth.username", "it contains a colon, which Basic authentication cannot carry")
	f.require(!strings.Contains(a.PreviousUsername.Reveal(), ":"), "auth.previous_username", "it contains a colon, which Basic authentication cannot carry")
	f.require((a.PreviousUsername == "") == (a.PreviousPassword == ""), "auth.previous_password", "auth.previous_username and auth.previous_password go together")
}
