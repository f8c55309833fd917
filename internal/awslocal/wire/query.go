package wire

import (
	"encoding/xml"
	"net/http"
	"net/url"
)

// maxForm bounds a request of the Query protocol. The largest is SNS's message of 256 KiB, which a form makes up to three
// times as long.
const maxForm = 1 << 20

// Form reads the parameters of a request of the AWS Query protocol, which has a form come in and XML go out. It may be
// called again for one request. The error is a *Error.
func Form(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.PostForm == nil {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	}
	if err := r.ParseForm(); err != nil {
		return nil, &Error{Code: "MalformedInput", Message: err.Error()}
	}
	return r.PostForm, nil
}

// errorResponse is an error of the Query protocol.
type errorResponse struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// WriteQuery writes an error as the Query protocol has it. An error that is not an *Error is an InternalFailure.
func WriteQuery(w http.ResponseWriter, namespace string, err error) {
	e := asError(err, "InternalFailure")
	doc := errorResponse{Namespace: namespace, Type: "Sender", Code: e.Code, Message: e.Message, RequestID: NewID()}
	if e.status() >= http.StatusInternalServerError {
		doc.Type = "Receiver"
	}
	WriteXML(w, e.status(), doc)
}

// WriteRESTXML writes an error as S3 has it. An error that is not an *Error is an InternalError.
func WriteRESTXML(w http.ResponseWriter, err error) {
	e := asError(err, "InternalError")
	WriteXML(w, e.status(), struct {
		XMLName                  xml.Name `xml:"Error"`
		Code, Message, RequestId string
	}{Code: e.Code, Message: e.Message, RequestId: NewID()})
}

// WriteXML writes a document.
func WriteXML(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(doc) // the caller has gone: nobody is left to tell
}
