package simulation_test

// saboteur is one small defect.
type saboteur struct {
	name  string
	seed  uint64 // that noticed it at last: it is tried first, which saves the hunt
	why   string // what the rule that it breaks is there for
	edits []edit
}

// edit replaces the one place in a file that reads old; SABOTAGED in new is true when
// the saboteur is at work.
type edit struct {
	file, old, new string
}

// saboteurs are the defects that the histories must find, each with the rule that it
// breaks.
var saboteurs = []saboteur{
	{"answers before the queue has it", 1, "a 200 says that the message is safe", []edit{{
		"webhook/handler.go",
		"	report.MessageID, err = h.config.Queue.Send(ctx, h.message(received, buffer.Bytes(), request.Header))\n",
		"	if message := h.message(received, bytes.Clone(buffer.Bytes()), request.Header); SABOTAGED {\n" +
			"		go func() { _, _ = h.config.Queue.Send(ctx, message) }()\n" +
			"		return queued{Status: \"queued\", EventID: received.ID, MessageID: \"soon\"}, nil\n" +
			"	}\n" +
			"	report.MessageID, err = h.config.Queue.Send(ctx, h.message(received, buffer.Bytes(), request.Header))\n",
	}}},
	{"writes without the fence", 3, "who lost the lease changes nothing anymore", []edit{{
		"dynamostore/commit.go",
		"	if step.Previous != \"\" {\n",
		"	if SABOTAGED {\n		put.ConditionExpression = nil\n	} else if step.Previous != \"\" {\n",
	}}},
	{"a random idempotency key", 5, "a repeated call has no second effect", []edit{{
		"settlement/charge.go",
		"	if h.manifest.SubscriptionID == \"\" {\n		charge.SubscriptionID",
		"	if SABOTAGED {\n		charge.IdempotencyKey = billing.NewToken()\n	}\n	if h.manifest.SubscriptionID == \"\" {\n		charge.SubscriptionID",
	}}},
	{"sends again without reading back", 6, "Chargebee forgets keys", []edit{
		{
			"settlement/doubt.go",
			"	case elapsed <= settings.sendUntil():\n",
			"	case SABOTAGED, elapsed <= settings.sendUntil():\n",
		}, {
			"settlement/charge.go",
			"sent.elapsed(h.Now()) > h.Settings.sendUntil()",
			"!SABOTAGED && sent.elapsed(h.Now()) > h.Settings.sendUntil()",
		},
	}},
	{"sends until the window's very end", 89, "a late effect may find its key forgotten", []edit{{
		"settlement/settler.go",
		"	return s.IdempotencyWindow - 2*s.MaxEffectDelay - s.MaxSkew\n",
		"	if SABOTAGED {\n		return s.IdempotencyWindow\n	}\n	return s.IdempotencyWindow - 2*s.MaxEffectDelay - s.MaxSkew\n",
	}}},
	{"reads back before the window has passed", 9, "what is absent may still come", []edit{{
		"settlement/doubt.go",
		"func decideRemedy(elapsed time.Duration, settings Settings) remedy {\n",
		"func decideRemedy(elapsed time.Duration, settings Settings) remedy {\n	if SABOTAGED {\n		return lookForLine\n	}\n",
	}}},
	{"releases a line in doubt", 4, "it may stand on the invoice", []edit{{
		"settlement/charge.go",
		"	return h.head().Sending() || slices.ContainsFunc(",
		"	return !SABOTAGED && h.head().Sending() || slices.ContainsFunc(",
	}}},
	{"takes a 4xx after an unknown as final", 9, "it may be about the twin, or an old one replayed", []edit{{
		"settlement/course.go",
		"	case call == addingAgain:\n		return course{ending: whenKeyExpires}\n",
		"	case call == addingAgain && SABOTAGED:\n		return course{line: notSent, ending: giveUp, reason: billing.ChargebeeRefused}\n" +
			"	case call == addingAgain:\n		return course{ending: whenKeyExpires}\n",
	}}},
	{"keys and markers without the epoch", 212, "a line of another claim is another line", []edit{{
		"billing/identity.go",
		"	return sha256.Sum256([]byte(strings.Join([]string{purpose, id.InvoiceID, id.Epoch,",
		"	if SABOTAGED {\n		id.Epoch = \"\"\n	}\n	return sha256.Sum256([]byte(strings.Join([]string{purpose, id.InvoiceID, id.Epoch,",
	}}},
	{"plans from the index", 6, "what is charged is what was claimed", []edit{{
		"settlement/claim.go",
		"		draft.add(event)\n",
		"		draft.add(event)\n		if SABOTAGED {\n			fold.Add(event)\n		}\n",
	}, {
		"settlement/claim.go",
		"			fold.Add(events...)\n",
		"			if !SABOTAGED {\n				fold.Add(events...)\n			}\n",
	}, {
		"settlement/claim.go",
		"	whole.Add(last...)\n",
		"	if !SABOTAGED {\n		whole.Add(last...)\n	}\n",
	}}},
	{"claims whatever the values", 12, "what is charged is what the event says", []edit{{
		"dynamostore/eventchanges.go",
		"	values := make(item, 9)\n",
		"	if SABOTAGED {\n		return c.update(event.EventKey, claimUpdate, unbilledCondition, item{\":c\": statusClaimed, \":u\": statusUnbilled, \":i\": c.invoice})\n	}\n" +
			"	values := make(item, 9)\n",
	}}},
	{"acknowledges before it settles", 1, "a message comes back until its work is done", []edit{{
		"worker/pool.go",
		"	outcome := p.call(handling, delivery)\n",
		"	if SABOTAGED {\n		_ = p.Queue.Delete(settling, message)\n	}\n	outcome := p.call(handling, delivery)\n",
	}}},
	{"claims without a condition", 6, "an event goes on one invoice", []edit{{
		"dynamostore/eventchanges.go",
		"	return c.update(event.EventKey, claimUpdate, asRead[absent], values)\n",
		"	condition := asRead[absent]\n	if SABOTAGED {\n		condition = strings.Replace(condition, unbilledCondition, \"(attribute_not_exists(unbilled) OR :u = :u)\", 1)\n	}\n	return c.update(event.EventKey, claimUpdate, condition, values)\n",
	}}},
	{"no heartbeat", 15, "a message that is worked on is nobody else's", []edit{{
		"worker/heartbeat.go",
		"		defer close(ended)\n",
		"		defer close(ended)\n		if SABOTAGED {\n			return\n		}\n",
	}}},
	{"takes a failed entry of a batch as sent", 54, "a batch succeeds entry by entry", []edit{{
		"sqsqueue/batch.go",
		"		if entry, ok := failed[id]; ok {\n",
		"		if entry, ok := failed[id]; ok && !SABOTAGED {\n",
	}, {
		"sqsqueue/batch.go",
		"			outcomes[i].err = &failure{ClassUnavailable, errNotMentioned}\n",
		"			if !SABOTAGED {\n				outcomes[i].err = &failure{ClassUnavailable, errNotMentioned}\n			}\n",
	}}},
	{"acknowledges a rejected message without a dead letter", 7, "a person has to hear of it", []edit{{
		"worker/pool.go",
		"		if err := p.DeadLetters.Bury(ctx, letter); err != nil {\n",
		"		if SABOTAGED {\n			return p.Queue.Delete(ctx, message)\n		}\n		if err := p.DeadLetters.Bury(ctx, letter); err != nil {\n",
	}}},
	{"forgets to go on with a release", 56, "who crashed in the middle of it left the rest claimed", []edit{{
		"settlement/settler.go",
		"	if err := h.reject(ctx, err); err != nil {\n		return err\n	}\n	for {\n",
		"	if err := h.reject(ctx, err); err != nil {\n		return err\n	}\n" +
			"	if SABOTAGED && h.head().State == billing.Releasing {\n" +
			"		return h.lease.commit(ctx, func(step *billing.Step) { rejected(step, billing.Claiming) })\n" +
			"	}\n	for {\n",
	}}},
	{"lets held claims expire", 11, "the ledger is all that knows of them", []edit{{
		"settlement/reject.go",
		"	step.Head.Owner, step.Head.LeaseUntil = \"\", 0\n",
		"	step.Head.Owner, step.Head.LeaseUntil = \"\", 0\n	if SABOTAGED {\n		step.Head.ExpiresAt = step.Head.UpdatedAt + int64(retention.Seconds())\n	}\n",
	}}},
	{"no doubt after a takeover", 8, "the call of the last holder may be on its way", []edit{{
		"settlement/take.go",
		"		return taking{doubt: head.Sending(),",
		"		return taking{doubt: head.Sending() && !SABOTAGED,",
	}}},
	{"sends before the ledger says so", 8, "whoever comes next must know that it may have been sent", []edit{{
		"settlement/charge.go",
		"		step.Head.SendingSince = sent.Unix()\n",
		"		if !SABOTAGED {\n			step.Head.SendingSince = sent.Unix()\n		}\n",
	}}},
	{"no look for lines whose marker was edited away", 227, "one may be ours", []edit{{
		"settlement/doubt.go",
		"	case found.Resembles(line):\n",
		"	case !SABOTAGED && found.Resembles(line):\n",
	}}},
	{"the same name for every write", 3, "another's write must not pass for one's own", []edit{{
		"settlement/lease.go",
		"	step.Head.Write = billing.NewToken()\n",
		"	step.Head.Write = billing.NewToken()\n	if SABOTAGED {\n		step.Head.Write = \"write\"\n	}\n",
	}}},
	{"decides at once what became of a draft", 37, "what took effect may not show yet", []edit{{
		"settlement/gone.go",
		"!judgement.Certain && started.Before(shows) {\n",
		"!SABOTAGED && !judgement.Certain && started.Before(shows) {\n",
	}}},
	{"claims again right after a release", 540, "the index may not show yet what was given back", []edit{{
		"settlement/take.go",
		"		if head.Pages > 0 && now.Before(shows) {\n",
		"		if !SABOTAGED && head.Pages > 0 && now.Before(shows) {\n",
	}}},
	{"closes without looking at what was closed", 4, "a person may have changed it at the last moment", []edit{{
		"settlement/close.go",
		"	return judgement.Outcome == billing.Closed || judgement.Outcome == billing.Gone\n",
		"	return SABOTAGED || judgement.Outcome == billing.Closed || judgement.Outcome == billing.Gone\n",
	}}},
	{"deletes a message before its dead letter is there", 187, "one of the two must be there at any time", []edit{{
		"worker/pool.go",
		"		if err := p.DeadLetters.Bury(ctx, letter); err != nil {\n",
		"		if SABOTAGED {\n			_ = p.Queue.Delete(ctx, message)\n		}\n		if err := p.DeadLetters.Bury(ctx, letter); err != nil {\n",
	}}},
	{"takes a gone draft's word at first sight", 37, "a read may be stale", []edit{{
		"settlement/gone.go",
		"	if !gone { // a stale read",
		"	if !gone && !SABOTAGED { // a stale read",
	}}},
	{"asks what a charge code is for every call", 40, "a plan keeps what it was drawn with", []edit{{
		"settlement/charge.go",
		"	charge := billing.Charge{\n",
		"	if SABOTAGED {\n		product := h.Settings.Catalog[line.ChargeCode]\n		line.ItemPriceID, line.Tax = product.ItemPriceID, product.Tax\n	}\n	charge := billing.Charge{\n",
	}}},
	{"no look for lines of item prices that somebody changed", 1085, "one may be ours", []edit{{
		"billing/recognize.go",
		"	return found.EntityType == EntityChargeItemPrice && found.EntityID == l.ItemPriceID\n",
		"	return !SABOTAGED && found.EntityType == EntityChargeItemPrice && found.EntityID == l.ItemPriceID\n",
	}}},
	{"closes before the last line is certain", 199, "a closed draft takes no line", []edit{{
		"settlement/doubt.go",
		"	if failure, ok := asFailure(err); ok {\n		return h.fail(ctx, addingAgain, failure)\n",
		"	if failure, ok := asFailure(err); ok {\n		if SABOTAGED && failure.Kind == billing.Limited {\n			h.added = line + 1\n			return h.note(ctx)\n		}\n		return h.fail(ctx, addingAgain, failure)\n",
	}}},
	{"a bucket of its own for every process", 18, "Chargebee counts the calls of all", []edit{{
		"dynamostore/ratelimit.go",
		"	found, err := s.store.get(ctx, rateLimitKey)\n",
		"	key := rateLimitKey\n	if SABOTAGED {\n		key = fmt.Sprintf(\"%s%p\", key, s.store)\n	}\n	found, err := s.store.get(ctx, key)\n",
	}, {
		"dynamostore/ratelimit.go",
		"	output, err := s.store.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{\n		TableName:                           &s.store.LedgerTable,\n		Key:                                 ledgerKey(rateLimitKey),\n",
		"	key := rateLimitKey\n	if SABOTAGED {\n		key = fmt.Sprintf(\"%s%p\", key, s.store)\n	}\n	output, err := s.store.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{\n		TableName:                           &s.store.LedgerTable,\n		Key:                                 ledgerKey(key),\n",
	}}},
	{"keeps unused calls for ever", 15, "60 seconds see the calls of the rate, and one burst", []edit{{
		"ratelimit/run.go",
		"		bucket := newBucket(l.cfg.RequestsPerMinute, state.Scale, l.cfg.Jitter)\n",
		"		bucket := newBucket(l.cfg.RequestsPerMinute, state.Scale, l.cfg.Jitter)\n		if SABOTAGED {\n			bucket.depth *= 100\n		}\n",
	}}},
	{"gives events back before all shows", 71, "a line may be there that cannot be seen yet", []edit{{
		"settlement/releasable.go",
		"	if shows := settings.allShows(head); now.Before(shows) {\n",
		"	if shows := settings.allShows(head); !SABOTAGED && now.Before(shows) {\n",
	}}},
	{"gives back what stands on the draft", 50, "it is charged when the draft is closed", []edit{{
		"settlement/releasable.go",
		"		case found.Counts[i] > 0:\n",
		"		case !SABOTAGED && found.Counts[i] > 0:\n",
	}}},
	{"gives back what nobody vouches for", 7, "it may have been charged", []edit{{
		"settlement/release.go",
		"	r.notCharged = order.NotCharged != \"\"\n",
		"	r.notCharged = SABOTAGED || order.NotCharged != \"\"\n",
	}}},
	{"takes an incomplete read for complete", 2, "no decision follows from a part of the lines", []edit{{
		"settlement/reads.go",
		"	for pages := 1; invoice.NextOffset != \"\"; pages++ {\n",
		"	for pages := 1; !SABOTAGED && invoice.NextOffset != \"\"; pages++ {\n",
	}}},
	{"ignores a change between two pages", 124, "a line that moved to the page before is not read", []edit{{
		"settlement/reads.go",
		"		case page.Version != invoice.Version || page.Status != invoice.Status:\n",
		"		case !SABOTAGED && (page.Version != invoice.Version || page.Status != invoice.Status):\n",
	}}},
	{"takes a refused read for a missing draft", 15, "only a 404 shows that an invoice does not exist", []edit{{
		"settlement/reads.go",
		"	case notThere(err):\n		return billing.Invoice{}, true, nil\n",
		"	case notThere(err), SABOTAGED && failed && isRefusal(failure):\n		return billing.Invoice{}, true, nil\n",
	}}},
	{"takes a deleted draft for a pending one", 11, "Chargebee charges and closes no deleted invoice", []edit{{
		"settlement/reads.go",
		"	if err == nil && invoice.Deleted {\n",
		"	if err == nil && invoice.Deleted && !SABOTAGED {\n",
	}, {
		"billing/invoice.go",
		"return i.Status == StatusPending && !i.Deleted }",
		"return i.Status == StatusPending && (SABOTAGED || !i.Deleted) }",
	}}},
	{"believes an incomplete message", 330, "what the message lacks is not planned", []edit{{
		"settlement/begin.go",
		"webhook.LineItems == nil || webhook.MoreLines ||",
		"webhook.LineItems == nil || webhook.MoreLines && !SABOTAGED ||",
	}}},
	{"charges a resumed plan unchecked", 38, "the draft may have changed since it was planned", []edit{{
		"settlement/charge.go",
		"	if !h.current && !h.sentAny() {\n",
		"	if !SABOTAGED && !h.current && !h.sentAny() {\n",
	}}},
	{"charges a stale plan", 168, "a plan that does not fit the draft is made again", []edit{{
		"settlement/begin.go",
		"	if h.manifest.Describes(draft) {\n",
		"	if SABOTAGED || h.manifest.Describes(draft) {\n",
	}}},
	{"closes under the key of a refusal", 37, "a stored refusal is repeated although its cause is gone", []edit{{
		"settlement/course.go",
		"	course.newKey = call == closing &&",
		"	course.newKey = !SABOTAGED && call == closing &&",
	}}},
	{"does not repeat a close whose answer was lost", 13, "nothing else may lead to the closed invoice", []edit{{
		"settlement/course.go",
		"	case addingAgain, closing:\n",
		"	case addingAgain, closing:\n		if SABOTAGED && call == closing {\n			after.looks = 1\n		}\n",
	}}},
	{"takes a closed invoice that does not show for gone", 31, "the repeated close is answered with it", []edit{{
		"settlement/close.go",
		"		if notThere(err) { //",
		"		if SABOTAGED && notThere(err) {\n			return h.gone(ctx)\n		}\n		if notThere(err) { //",
	}}},
	{"sends equal dates", 1, "Chargebee may refuse a line that ends when it starts", []edit{{
		"billing/fold.go",
		"	if sum.quantity != nil {\n		line.Quantity",
		"	if SABOTAGED {\n		line.To = sum.to\n	}\n	if sum.quantity != nil {\n		line.Quantity",
	}}},
	{"sends no quantity for a price per unit", 22, "Chargebee may need it", []edit{{
		"settlement/charge.go",
		"	if line.PerUnit {\n",
		"	if line.PerUnit && !SABOTAGED {\n",
	}}},
	{"expects dates as they were sent", 2, "Chargebee may show whole days", []edit{{
		"billing/recognize.go",
		"	near := func(a, b int64) bool { return",
		"	near := func(a, b int64) bool { return (a == b || !SABOTAGED) &&",
	}}},
	{"bills the events of a credit", 1, "a credit is not on the invoice", []edit{{
		"settlement/bill.go",
		"		case line.IsCredit():\n",
		"		case line.IsCredit() && !SABOTAGED:\n",
	}}},
	{"sends a credit", 1, "Chargebee takes no negative charge", []edit{{
		"billing/plan.go",
		"func (l Line) IsCharge() bool { return l.Amount > 0 }",
		"func (l Line) IsCharge() bool { return l.Amount > 0 || SABOTAGED && l.Amount < 0 }",
	}}},
	{"claims what cannot be billed", 16, "nothing gives it back", []edit{{
		"dynamostore/eventchanges.go",
		"		return c.update(event.EventKey, checkUpdate, checkCondition,",
		"		if SABOTAGED {\n			return c.update(event.EventKey, claimUpdate, unbilledCondition, item{\":c\": statusClaimed, \":u\": statusUnbilled, \":i\": c.invoice})\n		}\n" +
			"		return c.update(event.EventKey, checkUpdate, checkCondition,",
	}}},
	{"releases a line that another subscription has by now", 649, "an operator may give a draft to another subscription", []edit{{
		"billing/recognize.go",
		"		return r.plan[i].resembles(found) && !r.isOfOther(found, r.plan[i].SubscriptionID)\n",
		"		return r.plan[i].resembles(found) && !r.isOfOther(found, r.plan[i].SubscriptionID) &&\n" +
			"			!(SABOTAGED && found.SubscriptionID != \"\" && found.SubscriptionID != r.plan[i].SubscriptionID)\n",
	}}},
}
