package contract

import (
	"fmt"
	"sync"
	"time"
)

var concurrency = []check{
	{Name: "concurrency/many senders, many polls", Lasts: 3 * time.Second, Run: func(b *bench) {
		const senders, batchesEach, polls = 8, 10, 16
		url := b.queue(nil)

		var sending sync.WaitGroup
		for sender := range senders {
			sending.Go(func() {
				for batch := range batchesEach {
					messages := entries(10, 1)
					for i := range messages {
						body := fmt.Sprintf("%d/%d/%d", sender, batch, i)
						messages[i].MessageBody = &body
					}
					if _, err := b.sendBatch(url, messages); err != nil {
						b.Error(err)
					}
				}
			})
		}

		var mu sync.Mutex
		received := map[string]int{}
		var receiving sync.WaitGroup
		for range polls {
			receiving.Go(func() {
				for {
					messages := b.poll(url, 2)
					if len(messages) == 0 {
						return
					}
					for _, message := range messages {
						mu.Lock()
						received[*message.Body]++
						mu.Unlock()
						b.delete(url, message.ReceiptHandle)
					}
				}
			})
		}
		sending.Wait()
		receiving.Wait()

		equal(b, "different messages", len(received), senders*batchesEach*10)
		for body, times := range received {
			if times != 1 {
				b.Errorf("%s was received %d times", body, times)
			}
		}
		b.counts(url, "0", "0", "0")
	}},
}
