package awslocal

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// controlStreams adds to the control API what happens to streams on AWS without a call of the application:
//
//	POST /_millrace/streams/{name}/trim    takes records away, as retention does: all, or those that arrived before ?before=TIME
//	POST /_millrace/streams/{name}/split   halves the shard ?shard=ID; left out, the first of the widest
//	POST /_millrace/streams/{name}/merge   merges the shard ?shard=ID with the one whose hash keys follow; left out, the first
//	POST /_millrace/streams/{name}/expire  makes all shard iterators expire
func (e *Endpoint) controlStreams(mux *http.ServeMux) {
	for what, do := range map[string]func(stream string, r *http.Request) (streamChange, error){
		"trim": e.trim, "split": e.split, "merge": e.merge, "expire": e.expire,
	} {
		mux.HandleFunc("POST /_millrace/streams/{name}/"+what, func(w http.ResponseWriter, r *http.Request) {
			done, err := do(r.PathValue("name"), r)
			if err != nil {
				http.Error(w, err.Error(), statusOf(err))
				return
			}
			reply(w, done)
		})
	}
}

// streamChange tells what was done to a stream.
type streamChange struct {
	Records  *int     `json:"records,omitempty"`  // that were trimmed
	Children []string `json:"children,omitempty"` // the shards that took others' place
}

// statusOf is 404 for what is not there, 400 for whatever else a caller asks for wrongly.
func statusOf(err error) int {
	if e := new(wire.Error); errors.As(err, &e) && e.Code == "ResourceNotFoundException" {
		return http.StatusNotFound
	}
	return http.StatusBadRequest
}

func (e *Endpoint) trim(stream string, r *http.Request) (streamChange, error) {
	var before time.Time
	if text := r.URL.Query().Get("before"); text != "" {
		var err error
		if before, err = time.Parse(time.RFC3339, text); err != nil {
			return streamChange{}, fmt.Errorf("before %q: want a time, as in 2026-11-23T12:00:00Z", text)
		}
	}
	n, err := e.Kinesis.Trim(stream, before)
	return streamChange{Records: &n}, err
}

func (e *Endpoint) split(stream string, r *http.Request) (streamChange, error) {
	children, err := e.Kinesis.SplitShard(stream, r.URL.Query().Get("shard"))
	return streamChange{Children: children}, err
}

func (e *Endpoint) merge(stream string, r *http.Request) (streamChange, error) {
	child, err := e.Kinesis.MergeShards(stream, r.URL.Query().Get("shard"))
	return streamChange{Children: []string{child}}, err
}

func (e *Endpoint) expire(stream string, _ *http.Request) (streamChange, error) {
	return streamChange{}, e.Kinesis.ExpireIterators(stream)
}
