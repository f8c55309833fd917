package wire

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
)

// Stream starts an operation that answers with events instead of one document. It checks the request, which it must not
// keep, and takes effect. An error is answered as any operation's is. Else send is called, which sends events until
// there are no more or ctx ends: that is when the caller or the endpoint goes. An error of send ends the answer with an
// exception.
type Stream func(ctx context.Context, request []byte) (send func(ctx context.Context, to *Events) error, err error)

// initialResponse is the event with which AWS's JSON protocols begin an answer of events.
// https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html: "Event streams".
const initialResponse = "initial-response"

// stream answers one call with events. Faults strike before the first of them.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, svc *Service, op string, start Stream) {
	body, err := read(r, nil)
	if err != nil {
		svc.fail(w, err)
		return
	}
	var send func(context.Context, *Events) error
	_, err = s.call(svc, func(ctx context.Context, request, _ []byte) (_ []byte, err error) {
		send, err = start(ctx, request)
		return nil, err
	}, r, s.faults.Next(svc.Name+"."+op), body, nil)
	if err != nil {
		svc.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	w.Header().Set("X-Amzn-Requestid", requestID())
	to := &Events{to: w, flush: http.NewResponseController(w), content: "application/x-amz-json-" + svc.Version, encoder: eventstream.NewEncoder()}
	if err := to.Send(initialResponse, []byte("{}")); err != nil {
		return // the caller has gone: nobody is left to tell
	}
	if err := send(r.Context(), to); err != nil {
		_ = to.fail(asError(err, "InternalFailureException"))
	}
}

// Events writes the events of one answer in AWS's event stream encoding. It is not safe for concurrent use.
type Events struct {
	to      http.ResponseWriter
	flush   *http.ResponseController
	content string // media type of every payload
	encoder *eventstream.Encoder
	frame   bytes.Buffer
}

// Send sends an event of a type, as in "SubscribeToShardEvent", and its payload of JSON. An error means that the caller
// has gone.
func (e *Events) Send(kind string, payload []byte) error {
	return e.write(payload, eventstreamapi.EventMessageType, eventstreamapi.EventTypeHeader, kind)
}

// fail ends the answer with an exception.
func (e *Events) fail(err *Error) error {
	return e.write(err.document(map[string]any{}), eventstreamapi.ExceptionMessageType, eventstreamapi.ExceptionTypeHeader, err.Code)
}

func (e *Events) write(payload []byte, message, header, kind string) error {
	m := eventstream.Message{Payload: payload}
	m.Headers.Set(eventstreamapi.MessageTypeHeader, eventstream.StringValue(message))
	m.Headers.Set(header, eventstream.StringValue(kind))
	m.Headers.Set(eventstreamapi.ContentTypeHeader, eventstream.StringValue(e.content))
	e.frame.Reset()
	if err := e.encoder.Encode(&e.frame, m); err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	if _, err := e.to.Write(e.frame.Bytes()); err != nil {
		return fmt.Errorf("send %s: %w", kind, err)
	}
	return e.flush.Flush()
}
