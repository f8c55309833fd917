package main

import "github.com/millrace/millrace/internal/processor"

// handle is the place for a function of your own. Set it, and it is called for each event before the meters count it:
//
//	var handle processor.Handler = func(ctx context.Context, e cloudevent.Event) error {
//		if e.Subject == "" {
//			return processor.Permanent(errors.New("no subject")) // to the failure queue
//		}
//		return notify(ctx, e) // any other error is tried again, and holds back later events of the same key
//	}
//
// After a crash it may be called for an event again (processor.Handler says more). nil: the meters only.
var handle processor.Handler
