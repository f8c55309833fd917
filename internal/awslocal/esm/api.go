package esm

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

const (
	// maxRequest bounds a request: ten filters of 4 KB, and the rest.
	maxRequest = 256 << 10
	// maxPage bounds a page of ListEventSourceMappings (API reference).
	maxPage = 100
)

var (
	errUnknown = unknown("The resource you requested does not exist.")
	errTooLong = &wire.Error{
		Code: "RequestEntityTooLargeException", Message: "the request is longer than 256 KiB", Status: http.StatusRequestEntityTooLarge,
	}
)

func unknown(message string) *wire.Error {
	return &wire.Error{
		Code: "ResourceNotFoundException", Message: message, Status: http.StatusNotFound, Fields: map[string]any{"Type": "User"},
	}
}

// ServeHTTP answers the operations on event source mappings, below /2015-03-31/event-source-mappings, and ListTags for
// their ARNs.
func (d *Directory) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.mux.ServeHTTP(w, r) }

// Operations names what ServeHTTP answers.
func (d *Directory) Operations() []string { return wire.OperationsOf(d.table()) }

func (d *Directory) table() []wire.Route {
	const all, one = "/2015-03-31/event-source-mappings", "/2015-03-31/event-source-mappings/{uuid}"
	return []wire.Route{
		{Operation: "CreateEventSourceMapping", Pattern: "POST " + all, Answer: d.createMapping},
		{Operation: "ListEventSourceMappings", Pattern: "GET " + all, Answer: d.listMappings},
		{Operation: "GetEventSourceMapping", Pattern: "GET " + one, Answer: d.getMapping},
		{Operation: "UpdateEventSourceMapping", Pattern: "PUT " + one, Answer: d.updateMapping},
		{Operation: "DeleteEventSourceMapping", Pattern: "DELETE " + one, Answer: d.deleteMapping},
		{Operation: "ListTags", Pattern: "GET /2017-03-31/tags/{arn}", Answer: d.listTags},
	}
}

// destinationInput is OnFailure or OnSuccess.
type destinationInput struct {
	Destination string `json:",omitzero"`
}

type destinationConfig struct {
	OnFailure *destinationInput `json:",omitzero"`
	OnSuccess *destinationInput `json:",omitzero"`
}

type filterInput struct{ Pattern string }

type filterCriteria struct{ Filters []filterInput }

type metricsConfig struct{ Metrics []string }

// view is a mapping as the API shows it: Enabled and FunctionName are never told again.
type view struct {
	BatchSize                      int
	BisectBatchOnFunctionError     bool
	DestinationConfig              destinationConfig
	EventSourceARN                 string          `json:"EventSourceArn"`
	EventSourceMappingARN          string          `json:"EventSourceMappingArn"`
	FilterCriteria                 *filterCriteria `json:",omitzero"`
	FunctionARN                    string          `json:"FunctionArn"`
	FunctionResponseTypes          []string
	KMSKeyARN                      string `json:"KMSKeyArn,omitzero"`
	LastModified                   float64
	LastProcessingResult           string
	MaximumBatchingWindowInSeconds int
	MaximumRecordAgeInSeconds      int
	MaximumRetryAttempts           int
	MetricsConfig                  *metricsConfig `json:",omitzero"`
	ParallelizationFactor          int
	StartingPosition               PositionType
	StartingPositionTimestamp      float64 `json:",omitzero"`
	State                          State
	StateTransitionReason          string
	TumblingWindowInSeconds        int
	UUID                           string
}

// describe shows a mapping in a state.
func (d *Directory) describe(e *entry, state State) view {
	cfg, status := e.mapping.Config(), e.mapping.Status()
	d.mu.Lock()
	modified := e.modified
	d.mu.Unlock()
	doc := view{
		BatchSize:                      cfg.BatchSize,
		BisectBatchOnFunctionError:     cfg.BisectBatchOnFunctionError,
		DestinationConfig:              destinationConfig{OnFailure: &destinationInput{cfg.OnFailure}},
		EventSourceARN:                 cfg.EventSourceARN,
		EventSourceMappingARN:          "arn:aws:lambda:" + d.opt.Region + ":" + d.opt.Account + ":event-source-mapping:" + e.id,
		FunctionARN:                    cfg.FunctionARN,
		FunctionResponseTypes:          cfg.FunctionResponseTypes,
		KMSKeyARN:                      cfg.KMSKeyARN,
		LastModified:                   seconds(modified),
		LastProcessingResult:           status.LastProcessingResult,
		MaximumBatchingWindowInSeconds: cfg.MaximumBatchingWindowInSeconds,
		MaximumRecordAgeInSeconds:      cfg.MaximumRecordAgeInSeconds,
		MaximumRetryAttempts:           cfg.MaximumRetryAttempts,
		ParallelizationFactor:          cfg.ParallelizationFactor,
		StartingPosition:               cfg.StartingPosition,
		State:                          state,
		StateTransitionReason:          status.StateTransitionReason,
		TumblingWindowInSeconds:        cfg.TumblingWindowInSeconds,
		UUID:                           e.id,
	}
	if !cfg.StartingPositionTimestamp.IsZero() {
		doc.StartingPositionTimestamp = seconds(cfg.StartingPositionTimestamp)
	}
	if len(cfg.Filters) > 0 {
		doc.FilterCriteria = new(filterCriteria)
		for _, pattern := range cfg.Filters {
			doc.FilterCriteria.Filters = append(doc.FilterCriteria.Filters, filterInput{pattern})
		}
	}
	if len(cfg.Metrics) > 0 {
		doc.MetricsConfig = &metricsConfig{cfg.Metrics}
	}
	return doc
}

// seconds is a time as the API writes it: Unix seconds, to the millisecond.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func (d *Directory) createMapping(r *http.Request) (int, any, error) {
	in, err := readRequest(r)
	if err != nil {
		return 0, nil, err
	}
	switch {
	case in.FunctionName == nil:
		var v wire.Violations
		v.Null("functionName")
		return 0, nil, v.Err()
	case in.EventSourceARN == nil:
		return 0, nil, invalid("Unrecognized event source.")
	}
	e, err := d.create("", *in.FunctionName, in.apply(DefaultConfig()))
	if err != nil {
		return 0, nil, err
	}
	d.mu.Lock()
	e.tags = in.Tags
	d.mu.Unlock()
	doc := d.describe(e, Creating)
	doc.LastProcessingResult = ResultNone // it may have begun already
	return http.StatusAccepted, doc, nil
}

// find gives the mapping that a request's path names.
func (d *Directory) find(uuid string) (*entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.entries[uuid]; e != nil {
		return e, nil
	}
	return nil, errUnknown
}

func (d *Directory) getMapping(r *http.Request) (int, any, error) {
	e, err := d.find(r.PathValue("uuid"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, d.describe(e, e.mapping.Status().State), nil
}

// listTags answers ListTags for a mapping. Terraform asks for them whenever it looks at one.
func (d *Directory) listTags(r *http.Request) (int, any, error) {
	arn := r.PathValue("arn")
	e, err := d.find(arn[strings.LastIndexByte(arn, ':')+1:])
	if err != nil { // recorded by LocalStack (test_tag_exceptions)
		return 0, nil, unknown("Event source mapping not found: " + arn)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return http.StatusOK, struct{ Tags map[string]string }{e.tags}, nil
}

// listMappings lists those of a source, of a function, or all. Neither needs to be there. A function without a qualifier
// stands for all of its versions.
func (d *Directory) listMappings(r *http.Request) (int, any, error) {
	q := r.URL.Query()
	source, function := q.Get("EventSourceArn"), q.Get("FunctionName")
	kept := slices.DeleteFunc(d.sorted(), func(e *entry) bool {
		cfg := e.mapping.Config()
		return source != "" && cfg.EventSourceARN != source || function != "" && !names(function, cfg.FunctionARN)
	})
	page, next, err := wire.Page(q, maxPage, kept, func(e *entry) string { return e.id })
	if err != nil {
		return 0, nil, err
	}
	list := struct {
		EventSourceMappings []view
		NextMarker          string `json:",omitzero"`
	}{NextMarker: next}
	for _, e := range page {
		list.EventSourceMappings = append(list.EventSourceMappings, d.describe(e, e.mapping.Status().State))
	}
	return http.StatusOK, list, nil
}

// names tells whether a reference names the function of an ARN. What it leaves out, account or qualifier, it leaves open.
func names(ref, arn string) bool {
	owner, name, qualifier := wire.SplitFunction(ref)
	o, n, q := wire.SplitFunction(arn)
	return (owner == "" || strings.HasSuffix(":"+o, ":"+owner)) && n == name && (qualifier == "" || cmp.Or(q, "$LATEST") == qualifier)
}

// inUse is the error for a mapping that is being deleted. AWS has it for all that are changing; here they may be changed again.
func inUse(what string) error {
	return &wire.Error{
		Code: "ResourceInUseException", Message: "Cannot " + what + " the event source mapping because it is in use.",
		Fields: map[string]any{"Type": "User"},
	}
}

func (d *Directory) updateMapping(r *http.Request) (int, any, error) {
	in, err := readRequest(r)
	if err != nil {
		return 0, nil, err
	}
	e, err := d.find(r.PathValue("uuid"))
	if err != nil {
		return 0, nil, err
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	if e.mapping.Status().State == Deleting {
		return 0, nil, inUse("update")
	}
	state, err := d.update(e, in)
	if err != nil {
		return 0, nil, err
	}
	e.stir()
	return http.StatusAccepted, d.describe(e, state), nil
}

// update changes a mapping. UpdateEventSourceMapping has no members for the source and the starting position, and would
// ignore them: Mapping.Update refuses them.
func (d *Directory) update(e *entry, in request) (State, error) {
	cfg := in.apply(e.mapping.Config())
	if err := cfg.Validate(); err != nil {
		return "", err
	}
	var invoker Invoker
	if in.FunctionName != nil {
		target, ok := d.opt.World.Function(*in.FunctionName)
		if !ok {
			return "", errNoFunction
		}
		cfg.FunctionARN, cfg.RoleARN, invoker = target.ARN, target.RoleARN, target.Invoker
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.duplicate(e, cfg); err != nil {
		return "", err
	}
	state, err := e.mapping.Update(cfg, invoker)
	if err == nil {
		e.modified = time.Now()
	}
	return state, err
}

// deleteMapping lets the invocations under way finish; until then the mapping is shown as Deleting.
func (d *Directory) deleteMapping(r *http.Request) (int, any, error) {
	e, err := d.find(r.PathValue("uuid"))
	if err != nil {
		return 0, nil, err
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	if e.mapping.Status().State == Deleting {
		return 0, nil, inUse("delete")
	}
	doc := d.describe(e, Deleting)
	e.mapping.Delete()
	e.stir()
	return http.StatusAccepted, doc, nil
}
