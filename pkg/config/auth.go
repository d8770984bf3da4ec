package config

import "strings"

// Auth holds the credentials of webhooks; during a rotation two pairs. User names have the type
// Secret, so that files can hold them like passwords.
type Auth struct {
	Username         Secret `key:"username"`
	Password         Secret `key:"password"`
	PreviousUsername Secret `key:"previous_username"`
	PreviousPassword Secret `key:"previous_password"`
	Disabled         bool   `key:"disabled"`

	secretFiles
}

// Reload returns the credentials with the present content of their files. An *Error
// reports every unreadable or empty file and every invalid value.
func (a Auth) Reload() (Auth, error) {
	readErrs := a.readFiles(&a, "auth.")
	var errs fieldErrors
	a.validate(&errs)
	return a, joinErrors(readErrs, errs)
}

func (a Auth) validate(errs *fieldErrors) {
	if a.Disabled {
		credentials := a.Username + a.Password + a.PreviousUsername + a.PreviousPassword
		errs.require(credentials == "", "auth.disabled", "is set together with credentials, which would not be checked: remove one of them")
	} else {
		errs.notEmpty("auth.username", a.Username.Reveal())
		errs.notEmpty("auth.password", a.Password.Reveal())
	}
	const colon = "must not contain a colon: HTTP Basic authentication cannot carry it"
	errs.require(!strings.Contains(a.Username.Reveal(), ":"), "auth.username", colon)
	errs.require(!strings.Contains(a.PreviousUsername.Reveal(), ":"), "auth.previous_username", colon)
	errs.require((a.PreviousUsername == "") == (a.PreviousPassword == ""), "auth.previous_password", "set auth.previous_username and auth.previous_password together")
}
