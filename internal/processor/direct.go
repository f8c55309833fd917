package processor

import "github.com/millrace/millrace/internal/direct"

// tell ends a direct batch: what fails has failed, without the failure queue, and the report has every outcome.
func (w *work) tell() Report {
	for i := range w.users {
		if u := &w.users[i]; u.state == failing {
			u.state = failed
		}
	}
	r := w.report()
	r.Results = make([]direct.Result, len(w.users))
	for i := range w.users {
		r.Results[i] = w.result(&w.users[i])
	}
	return r
}

func (w *work) result(u *userRecord) direct.Result {
	r := direct.Result{
		Record: u.record, SequenceNumber: w.batch.Records[u.record].SequenceNumber, Sub: u.sub,
		Outcome: direct.Unsettled, Class: string(u.class),
	}
	switch u.state {
	case counted:
		r.Outcome = direct.Counted
	case copied:
		r.Outcome = direct.Copy
	case nothing:
		r.Outcome = direct.Nothing
	case failed:
		r.Outcome = direct.Failed
	}
	if u.reason != nil {
		r.Reason = u.reason.Error()
	}
	return r
}
