package langcheck

import (
	"regexp"
	"strings"
)

// rule refuses a pattern.
type rule struct {
	refused *regexp.Regexp
	except  *regexp.Regexp // true uses; nil if there are none
	use     string         // what to write instead
}

func refuse(pattern, except, use string) rule {
	r := rule{refused: phrases(pattern), use: use}
	if except != "" {
		r.except = phrases(except)
	}
	return r
}

// phrases matches whole words, also across the end of a line.
func phrases(pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(?:` + strings.ReplaceAll(pattern, " ", `\s+`) + `)\b`)
}

// rules apply to comments, texts, documents, and identifiers split into words.
var rules = []rule{
	// Verbs that programs cannot do.
	refuse(`stands?|stood|standing`, `stands? for|long-standing`, "is, appears, exists"),
	refuse(`say|says|said|saying`, `that is to say`, "report, return, describe, document"),
	refuse(`tell|tells|told|telling`, ``, "report, show; in a doc comment: reports whether"),
	refuse(`know|knows|knew`, `you (?:do not )?know|know how|how I know|how you know|do you know`, "has, contains, reads"),
	refuse(`nobody|somebody|whoever|anybody`, ``, "no process, another client, a user, an operator"),
	refuse(`persons?`, ``, "operator, user, manual edit"),
	refuse(`meddle[sd]?|meddling`, ``, "manual edit"),

	// Inflections and phrases.
	refuse(`(?:is|are) no [a-z]+`, `(?:there|here|nor|if|where|longer|such) (?:is|are) no [a-z]+|(?:is|are) no (?:limit|longer|more|less|later|older|newer|larger|smaller|faster|sooner)`, "is not a, has no"),
	refuse(`anew|at hand|in hand|under way|so many|so often|all the same`, ``, "again, available, in progress, N, still"),
	refuse(`beside`, ``, "next to, with, in addition to"),
	refuse(`shall`, ``, "must, will"),
	refuse(`mend|mends|mended|mending`, ``, "fix, correct"),
	refuse(`suffer\w*|befall\w*|befell|bury|buries|buried|burying|reckon\w*|besiege\w*`, ``, "a plain verb"),

	// Metaphors.
	refuse(`letters?`, `dead[- ]+letters?|letters?,? (?:and |or )?(?:digits?|numbers?)|(?:capital|lower-?case|upper-?case|small|large) letters?`, "dead letter, message"),
	refuse(`flights?`, `in[- ]+flights?`, "in flight, batch"),
	refuse(`tickets?|boarded|boarding|departs?|departed|departure`, ``, "batch, waiter, send"),
	refuse(`fates?|endings?`, `line endings?`, "outcome, retry action, error class"),
	refuse(`courses?`, `of course`, "retry action"),
	refuse(`sleepers?|twins?|saboteurs?|havoc|stories`, ``, "paused process, concurrent duplicate, mutant, faults, scenario"),
	refuse(`story`, ``, "scenario, description"),
	refuse(`(?:a|an|one|two|each|every|another|first|last|next|second) looks?|lookalikes?|likeness(?:es)?`, ``, "read, check; fingerprint"),
	refuse(`stand-ins?|standins?`, ``, "fake"),
	refuse(`surroundings?`, ``, "Deps, dependencies, context"),

	// Terms that have another name.
	refuse(`g(?:ive|ives|iven|ave|iving)(?: \w+){0,3} back|let(?:s|ting)? go of|puts? off`, ``, "release, defer"),
	refuse(`foresees?|foreseen|foresaw`, ``, "predict"),
	refuse(`judge|judges|judged|judging|judgements?|weighs?|weighed`, ``, "reconcile, decide"),
	refuse(`late bound|drain pause`, ``, "maximum effect delay, shutdown delay"),
	refuse(`(?:a|the|one|each|every|another|this|that|first|last|next|any) handling|handlings`, ``, "session"),
	refuse(`(?:the|three|two|our|equal) books`, ``, "reconciliation, expected and actual"),
	refuse(`successors?`, ``, "final invoice"),
	refuse(`(?:draft|invoice)s?(?: that)? (?:is|are) gone|dead drafts?`, ``, "missing, no longer pending"),
	refuse(`in vain|hangs on`, ``, "a plain term"),
	refuse(`breaths?|(?:the|a) way of`, ``, "pause, permit"),
}

// commentRules apply to the first words of doc comments.
var commentRules = []rule{
	{refused: regexp.MustCompile(`^\w+ is (?:what|how|who|why|where|when)\b`), use: "a noun or a verb: X is a ..., X returns ..."},
	{refused: regexp.MustCompile(`^What `), use: "a noun or a verb"},
}

// allowed are true uses: the phrase is not checked in the file, or below the directory.
var allowed = []struct{ path, phrase, reason string }{
	{"pkg/billing/reason.go", "successor unknown", "the reason successor_unknown is stored and documented"},
	{"pkg/sandbox/sqs/send.go", "80 letters long", "the text is that of SQS"},
	{"pkg/sandbox/dynamodb/expression/parser.go", "is letter", "the letters of a token"},
}
