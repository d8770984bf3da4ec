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
	{"answers before the queue has it", 1, "a 200 promises that the message is safe", []edit{
		replace("enqueue", "go $call"),
	}},
	{"writes without the fence", 3, "a process that lost its lease changes nothing", []edit{
		rewrite("fence", `.*`, "${0} OR NOT ${0}").arg(0),
	}},
	{"a random idempotency key", 5, "a repeated call has no second effect", []edit{
		value("idempotency-key", "mutant.Random()"),
	}},
	{"sends again without reading back", 6, "Chargebee forgets keys", []edit{
		or("doubt-send-again", "true"),
		unless("send-deadline", "true"),
	}},
	{"sends until the window's very end", 89, "a late effect may find its key forgotten", []edit{
		value("send-until", "$left"),
	}},
	{"reads back before the window has passed", 9, "what is absent may still come", []edit{
		unless("doubt-send-again", "true"),
		unless("doubt-wait", "true"),
	}},
	{"releases a line in doubt", 4, "it may be on the invoice", []edit{
		unless("sent-any", "true").arg(0),
	}},
	{"takes a 4xx after an unknown as final", 9, "it may be about the concurrent duplicate, or an old one replayed", []edit{
		unless("refused-in-doubt", "true"),
		or("refused-charge", "{refused-in-doubt}"),
	}},
	{"keys and markers without the epoch", 212, "a line of another claim is another line", []edit{
		value("line-identity", `""`).arg(0, 0, 0, 2),
	}},
	{"plans from the index", 6, "what is charged is what was claimed", []edit{
		hoist("fold-claimed"),
		replace("drop-changed", ""),
	}},
	{"claims whatever the values", 12, "what is charged is what the event has", []edit{
		rewrite("claim-condition", `(.*?\)) AND (.*)`, "$1 AND ($1 OR ($2))").arg(2),
	}},
	{"acknowledges before it settles", 1, "a message comes back until its work is done", []edit{
		before("handler-call", "_ = $recv.Queue.Delete($arg0, $arg1.Message)"),
	}},
	{"claims without a condition", 6, "an event goes on one invoice", []edit{
		rewrite("claim-condition", `(.*?\)) AND (.*)`, "($1 OR NOT $1) AND $2").arg(2),
	}},
	{"no heartbeat", 15, "a message that is being processed is hidden from other consumers", []edit{
		replace("heartbeat", ""),
	}},
	{"takes a failed entry of a batch as sent", 54, "a batch succeeds entry by entry", []edit{
		unless("entry-failed", "true"),
		replace("entry-not-mentioned", ""),
	}},
	{"acknowledges a rejected message without a dead letter", 7, "an operator must learn of it", []edit{
		replace("dead-letter-send", ""),
	}},
	{"forgets to go on with a release", 56, "a process that crashed in the middle of it left the rest claimed", []edit{
		or("released-before", "$base.State == billing.Releasing"),
	}},
	{"lets held claims expire", 11, "only the ledger has them", []edit{
		before("rejected", "$base.ExpiresAt = $base.UpdatedAt + 90*24*60*60"),
	}},
	{"no doubt after a takeover", 8, "the call of the last holder may still take effect", []edit{
		unless("takeover-doubt", "true").arg(1),
	}},
	{"sends before the ledger has it", 8, "the next holder must see that the line may have been sent", []edit{
		replace("sending-since", ""),
	}},
	{"no check for lines whose marker was edited away", 227, "one may be ours", []edit{
		unless("doubt-resembles", "true"),
	}},
	{"the same record version for every write", 3, "a process must recognise its own write", []edit{
		value("write-token", `"constant"`),
	}},
	{"decides at once what became of a draft", 37, "what took effect may not show yet", []edit{
		unless("gone-shows", "true"),
	}},
	{"claims again right after a release", 540, "the index may not show yet what was released", []edit{
		unless("released-shows", "true"),
	}},
	{"closes without a check of the closed invoice", 4, "a manual edit may have changed it at the last moment", []edit{
		or("closed-complete", "true"),
	}},
	{"deletes a message before its dead letter exists", 187, "one of the two must exist at any time", []edit{
		before("dead-letter-send", "_ = $recv.Queue.Delete($arg0, $arg1.Message)"),
	}},
	{"takes a draft as gone for ever", 37, "a read may be stale", []edit{
		unless("draft-gone", "true"),
	}},
	{"looks a charge code up for every call", 40, "a plan keeps what it was made with", []edit{
		value("planned-item-price", "$recv.Settings.Catalog[$base.ChargeCode].$sel"),
		value("planned-tax", "$recv.Settings.Catalog[$base.ChargeCode].$sel"),
	}},
	{"no check for lines of item prices that were edited", 1085, "one may be ours", []edit{
		unless("resembles-item-price", "true"),
	}},
	{"closes before the last line is certain", 199, "a closed draft takes no line", []edit{
		unless("resend-failed", "$init.Kind == billing.Limited"),
		unless("resend-not-sent", "true"),
	}},
	{"a bucket of its own for every process", 18, "Chargebee counts the calls of all", []edit{
		value("rate-limit-read", "mutant.Text($0, $recv)").arg(1),
		value("rate-limit-write", "mutant.Text($0, $recv)").arg(0),
	}},
	{"keeps unused calls for ever", 15, "60 seconds see the calls of the rate, and one burst", []edit{
		value("bucket-depth", "100 * ($0)").arg(1),
	}},
	{"releases events before all shows", 71, "a line may be there that cannot be seen yet", []edit{
		unless("release-shows", "true"),
	}},
	{"releases what is on the draft", 50, "it is charged when the draft is closed", []edit{
		unless("release-charged", "true"),
	}},
	{"releases what no operator asserts", 7, "it may have been charged", []edit{
		or("asserted", "true"),
	}},
	{"takes an incomplete read for complete", 2, "no decision follows from a part of the lines", []edit{
		unless("more-pages", "true"),
	}},
	{"ignores a change between two pages", 124, "a line that moved to the page before is not read", []edit{
		unless("page-changed", "true"),
	}},
	{"takes a refused read for a missing draft", 15, "only a 404 shows that an invoice does not exist", []edit{
		or("draft-missing", "{draft-refused}"),
	}},
	{"takes a deleted draft for a pending one", 11, "Chargebee charges and closes no deleted invoice", []edit{
		unless("deleted-draft", "true"),
		or("is-pending", "true").arg(1),
	}},
	{"trusts an incomplete message", 330, "what the message lacks is not planned", []edit{
		unless("webhook-incomplete", "true").arg(1),
	}},
	{"charges a resumed plan unchecked", 38, "the draft may have changed since it was planned", []edit{
		unless("check-plan", "true"),
	}},
	{"charges a stale plan", 168, "a plan that does not fit the draft is made again", []edit{
		or("plan-stale", "true"),
	}},
	{"closes under the key of a refusal", 37, "a stored refusal is repeated although its cause is gone", []edit{
		unless("close-key", "true"),
	}},
	{"does not repeat a close whose answer was lost", 13, "nothing else may lead to the closed invoice", []edit{
		value("draft-reads", "$0 + 1"),
	}},
	{"takes a closed invoice that does not show for gone", 31, "the repeated close is answered with it", []edit{
		unless("closed-missing", "true"),
		unless("closed-unread", "{closed-missing}"),
	}},
	{"sends equal dates", 1, "Chargebee may refuse a line that ends when it starts", []edit{
		value("line-end", "0").arg(1),
	}},
	{"sends no quantity for a price per unit", 22, "Chargebee may need it", []edit{
		unless("quantity-per-unit", "true"),
	}},
	{"expects dates as they were sent", 2, "Chargebee may show whole days", []edit{
		value("date-tolerance", "1").arg(0, 1),
		value("date-tolerance", "1").arg(1, 1),
	}},
	{"bills the events of a credit", 1, "a credit is not on the invoice", []edit{
		unless("credit-line", "true"),
	}},
	{"sends a credit", 1, "Chargebee takes no negative charge", []edit{
		or("is-charge", "$left < 0"),
	}},
	{"claims what cannot be billed", 16, "nothing releases it", []edit{
		unless("unbillable-event", "true"),
		rewrite("claim-condition", `(.*?\)) AND (.*)`, "$1 AND ($1 OR ($2))").arg(2),
	}},
	{"releases a line that another subscription has by now", 649, "an operator may give a draft to another subscription", []edit{
		or("of-other-subscription", `$left != ""`).arg(1),
	}},
}
