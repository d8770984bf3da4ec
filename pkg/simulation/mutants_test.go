package simulation_test

// mutant is one small defect of the product.
type mutant struct {
	name  string
	seed  uint64 // of a scenario that detects it; it is tried first
	rule  string // the rule that the mutant breaks
	edits []edit
}

// mutants are the defects that the scenarios must detect.
var mutants = []mutant{
	{name: "answers before the queue has it", seed: 1, rule: "a 200 promises that the message is safe", edits: []edit{
		replace("enqueue", "go $call"),
	}},
	{name: "writes without the fence", seed: 3, rule: "a process that lost its lease changes nothing", edits: []edit{
		rewrite("fence", `.*`, "${0} OR NOT ${0}").arg(0),
	}},
	{name: "a random idempotency key", seed: 5, rule: "a repeated call has no second effect", edits: []edit{
		value("idempotency-key", "mutant.Random()"),
	}},
	{name: "sends again without reading back", seed: 6, rule: "Chargebee forgets keys", edits: []edit{
		or("doubt-send-again", "true"),
		unless("send-deadline", "true"),
	}},
	{name: "sends until the window's very end", seed: 1989, rule: "a late effect may find its key forgotten", edits: []edit{
		value("send-until", "$left"),
	}},
	{name: "sends again with another API key", seed: 3, rule: "another API key may have other idempotency keys", edits: []edit{
		value("same-api-key", "true"),
	}},
	{name: "reads back before the window has passed", seed: 9, rule: "what is absent may still come", edits: []edit{
		unless("doubt-send-again", "true"),
		unless("doubt-wait", "true"),
	}},
	{name: "releases a line in doubt", seed: 33, rule: "it may be on the invoice", edits: []edit{
		unless("sent-any", "true").arg(0),
	}},
	{name: "takes a 4xx after an unknown as final", seed: 9, rule: "it may be about the concurrent duplicate, or an old one replayed", edits: []edit{
		unless("refused-in-doubt", "true"),
		or("refused-charge", "{refused-in-doubt}"),
	}},
	{name: "takes a proxy's refusal as Chargebee's", seed: 26, rule: "a proxy may refuse what it passed on", edits: []edit{
		unless("proxy-refusal", "true"),
	}},
	{name: "does not look for a line that was refused", seed: 1038, rule: "a refusal does not prove that a call had no effect", edits: []edit{
		unless("refused-added", "true"),
	}},
	{name: "keys and markers without the epoch", seed: 320, rule: "a line of another claim is another line", edits: []edit{
		value("line-identity", `""`).arg(0, 0, 0, 2),
	}},
	{name: "plans from the index", seed: 35, rule: "what is charged is what was claimed", edits: []edit{
		hoist("fold-claimed"),
		replace("drop-changed", ""),
	}},
	{name: "claims whatever the values", seed: 166, rule: "what is charged is what the event has", edits: []edit{
		rewrite("claim-condition", `(.*?\)) AND (.*)`, "$1 AND ($1 OR ($2))").arg(2),
	}},
	{name: "acknowledges before it settles", seed: 1, rule: "a message comes back until its work is done", edits: []edit{
		before("handler-call", "_ = $recv.Queue.Delete($arg0, $arg1.Message)"),
	}},
	{name: "claims without a condition", seed: 35, rule: "an event goes on one invoice", edits: []edit{
		rewrite("claim-condition", `(.*?\)) AND (.*)`, "($1 OR NOT $1) AND $2").arg(2),
	}},
	{name: "no heartbeat", seed: 15, rule: "a message that is being processed is hidden from other consumers", edits: []edit{
		replace("heartbeat", ""),
	}},
	{name: "takes a failed entry of a batch as sent", seed: 54, rule: "a batch succeeds entry by entry", edits: []edit{
		unless("entry-failed", "true"),
		replace("entry-not-mentioned", ""),
	}},
	{name: "acknowledges a rejected message without a dead letter", seed: 7, rule: "an operator must learn of it", edits: []edit{
		replace("dead-letter-send", ""),
	}},
	{name: "forgets to go on with a release", seed: 56, rule: "a process that crashed in the middle of it left the rest claimed", edits: []edit{
		or("released-before", "$base.State == billing.Releasing"),
	}},
	{name: "lets held claims expire", seed: 11, rule: "only the ledger has them", edits: []edit{
		before("rejected", "$base.ExpiresAt = $base.UpdatedAt + 90*24*60*60"),
	}},
	{name: "no doubt after a takeover", seed: 8, rule: "the call of the last holder may still take effect", edits: []edit{
		unless("takeover-doubt", "true").arg(1),
	}},
	{name: "sends before the ledger has it", seed: 8, rule: "the next holder must see that the line may have been sent", edits: []edit{
		replace("sending-since", ""),
	}},
	{name: "no check for lines whose marker was edited away", seed: 227, rule: "one may be ours", edits: []edit{
		unless("doubt-resembles", "true"),
	}},
	{name: "the same record version for every write", seed: 3, rule: "a process must recognise its own write", edits: []edit{
		value("write-token", `"constant"`),
	}},
	{name: "decides at once what became of a draft", seed: 37, rule: "what took effect may not show yet", edits: []edit{
		unless("gone-shows", "true"),
	}},
	{name: "claims again right after a release", seed: 873, rule: "the index may not show yet what was released", edits: []edit{
		unless("released-shows", "true"),
	}},
	{name: "closes without a check of the closed invoice", seed: 139, rule: "a manual edit may have changed it at the last moment", edits: []edit{
		or("closed-complete", "true"),
	}},
	{name: "deletes a message before its dead letter exists", seed: 411, rule: "one of the two must exist at any time", edits: []edit{
		before("dead-letter-send", "_ = $recv.Queue.Delete($arg0, $arg1.Message)"),
	}},
	{name: "takes a draft as gone for ever", seed: 37, rule: "a read may be stale", edits: []edit{
		unless("draft-gone", "true"),
	}},
	{name: "looks a charge code up for every call", seed: 40, rule: "a plan keeps what it was made with", edits: []edit{
		value("planned-item-price", "$recv.Settings.Catalog[$base.ChargeCode].$sel"),
		value("planned-tax", "$recv.Settings.Catalog[$base.ChargeCode].$sel"),
	}},
	{name: "no check for lines of item prices that were edited", seed: 1085, rule: "one may be ours", edits: []edit{
		unless("resembles-item-price", "true"),
	}},
	{name: "closes before the last line is certain", seed: 53, rule: "a closed draft takes no line", edits: []edit{
		unless("resend-failed", "$init.Kind == billing.Limited"),
		unless("resend-not-sent", "true"),
	}},
	{name: "a bucket of its own for every process", seed: 18, rule: "Chargebee counts the calls of all", edits: []edit{
		value("rate-limit-read", "mutant.Text($0, $recv)").arg(1),
		value("rate-limit-write", "mutant.Text($0, $recv)").arg(0),
	}},
	{name: "keeps unused calls for ever", seed: 15, rule: "60 seconds see the calls of the rate, and one burst", edits: []edit{
		value("bucket-depth", "100 * ($0)").arg(1),
	}},
	{name: "releases events before all shows", seed: 71, rule: "a line may be there that cannot be seen yet", edits: []edit{
		unless("release-shows", "true"),
	}},
	{name: "releases what is on the draft", seed: 71, rule: "it is charged when the draft is closed", edits: []edit{
		unless("release-charged", "true"),
	}},
	{name: "releases what no operator asserts", seed: 117, rule: "it may have been charged", edits: []edit{
		or("asserted", "true"),
	}},
	{name: "takes an incomplete read for complete", seed: 2, rule: "no decision follows from a part of the lines", edits: []edit{
		unless("more-pages", "true"),
	}},
	{name: "ignores a change between two pages", seed: 124, rule: "a line that moved to the page before is not read", edits: []edit{
		unless("page-changed", "true"),
	}},
	{name: "takes a refused read for a missing draft", seed: 15, rule: "only a 404 shows that an invoice does not exist", edits: []edit{
		or("draft-missing", "{draft-refused}"),
	}},
	{name: "takes a deleted draft for a pending one", seed: 11, rule: "Chargebee charges and closes no deleted invoice", edits: []edit{
		unless("deleted-draft", "true"),
		or("is-pending", "true").arg(1),
	}},
	{name: "takes a line that was refused for not sent while its draft is missing", seed: 444, rule: "the read may be stale", edits: []edit{
		replace("refused-missing", "step.Record.SendingSince, step.Record.InDoubt = 0, false"),
	}},
	{name: "releases the events of an invoice that is not voided", seed: 160, rule: "it charges them", edits: []edit{
		unless("release-billed-withdrawn", "true"),
	}},
	{name: "bills an event again that its producer wrote again", seed: 48, rule: "an earlier invoice charged it", edits: []edit{
		or("late-event", "true"),
	}},
	{name: "claims an event on two pages of an invoice", seed: 30068, rule: "its producer may write it again", edits: []edit{
		unless("claimed-twice", "true"),
	}},
	{name: "trusts an incomplete message", seed: 330, rule: "what the message lacks is not planned", edits: []edit{
		unless("webhook-incomplete", "true").arg(1),
	}},
	{name: "charges a resumed plan unchecked", seed: 38, rule: "the draft may have changed since it was planned", edits: []edit{
		unless("check-plan", "true"),
	}},
	{name: "charges a stale plan", seed: 168, rule: "a plan that does not fit the draft is made again", edits: []edit{
		or("plan-stale", "true"),
	}},
	{name: "closes under the key of a refusal", seed: 37, rule: "a stored refusal is repeated although its cause is gone", edits: []edit{
		unless("close-key", "true"),
	}},
	{name: "does not repeat a close whose answer was lost", seed: 13, rule: "nothing else may lead to the closed invoice", edits: []edit{
		value("draft-reads", "$0 + 1"),
	}},
	{name: "takes a closed invoice that does not show for gone", seed: 255, rule: "the repeated close is answered with it", edits: []edit{
		unless("closed-missing", "true"),
		unless("closed-unread", "{closed-missing}"),
	}},
	{name: "sends equal dates", seed: 1, rule: "Chargebee may refuse a line that ends when it starts", edits: []edit{
		value("line-end", "0").arg(1),
	}},
	{name: "sends no quantity for a price per unit", seed: 22, rule: "Chargebee may need it", edits: []edit{
		unless("quantity-per-unit", "true"),
	}},
	{name: "expects dates as they were sent", seed: 2, rule: "Chargebee may show whole days", edits: []edit{
		value("date-tolerance", "1").arg(0, 1),
		value("date-tolerance", "1").arg(1, 1),
	}},
	{name: "bills the events of a credit", seed: 1, rule: "a credit is not on the invoice", edits: []edit{
		unless("credit-line", "true"),
	}},
	{name: "sends a credit", seed: 1, rule: "Chargebee takes no negative charge", edits: []edit{
		or("is-charge", "$left < 0"),
	}},
	{name: "claims what cannot be billed", seed: 16, rule: "nothing releases it", edits: []edit{
		unless("unbillable-event", "true"),
		rewrite("claim-condition", `(.*?\)) AND (.*)`, "$1 AND ($1 OR ($2))").arg(2),
	}},
	{name: "releases a line that another subscription has by now", seed: 2516, rule: "an operator may give a draft to another subscription", edits: []edit{
		or("of-other-subscription", `$left != ""`).arg(1),
	}},
}
