package stack

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// maxForm bounds a request of the Query protocol. The calls that are answered have a few short parameters.
const maxForm = 1 << 20

const namespace = "http://cloudformation.amazonaws.com/doc/2010-05-15/"

// Directory answers CloudFormation's API, in the AWS Query protocol (a form in, XML out): DescribeStacks, and nothing
// else. Its zero value knows no stack. It is safe for concurrent use.
type Directory struct {
	mu     sync.Mutex
	stacks map[string]*Stack
}

// Add makes a stack known under its name.
func (d *Directory) Add(s *Stack) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stacks == nil {
		d.stacks = map[string]*Stack{}
	}
	d.stacks[s.Name] = s
}

// Find gives the stack of that name or id, nil if there is none.
func (d *Directory) Find(name string) *Stack {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.stacks {
		if s.Name == name || s.ID == name {
			return s
		}
	}
	return nil
}

// ServeHTTP answers one call.
func (d *Directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "MalformedInput", err.Error())
		return
	}
	if action := r.PostForm.Get("Action"); action != "DescribeStacks" {
		e := wire.Unimplemented("the action " + strconv.Quote(action))
		refuse(w, e.Status, e.Code, e.Message)
		return
	}
	stacks := d.all()
	if name := r.PostForm.Get("StackName"); name != "" {
		s := d.Find(name)
		if s == nil {
			refuse(w, http.StatusBadRequest, "ValidationError", "Stack with id "+name+" does not exist")
			return
		}
		stacks = []*Stack{s}
	}
	doc := describeStacksResponse{Namespace: namespace, RequestID: wire.NewID()}
	for _, s := range stacks {
		doc.Stacks = append(doc.Stacks, s.document())
	}
	answer(w, http.StatusOK, doc)
}

func (d *Directory) all() []*Stack {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*Stack
	for _, name := range slices.Sorted(maps.Keys(d.stacks)) {
		out = append(out, d.stacks[name])
	}
	return out
}

type describeStacksResponse struct {
	XMLName   xml.Name        `xml:"DescribeStacksResponse"`
	Namespace string          `xml:"xmlns,attr"`
	Stacks    []stackDocument `xml:"DescribeStacksResult>Stacks>member"`
	RequestID string          `xml:"ResponseMetadata>RequestId"`
}

type stackDocument struct {
	StackName       string
	StackId         string
	Description     string `xml:",omitempty"`
	CreationTime    string
	StackStatus     string
	DisableRollback bool
	Parameters      []parameterDocument `xml:"Parameters>member"`
	Outputs         []outputDocument    `xml:"Outputs>member"`
}

type parameterDocument struct{ ParameterKey, ParameterValue string }

type outputDocument struct {
	OutputKey, OutputValue string
	Description            string `xml:",omitempty"`
}

type errorResponse struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func (s *Stack) document() stackDocument {
	d := stackDocument{
		StackName: s.Name, StackId: s.ID, Description: s.Description, StackStatus: "CREATE_COMPLETE",
		CreationTime: s.Created.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
		d.Parameters = append(d.Parameters, parameterDocument{name, s.Parameters[name]})
	}
	for _, o := range s.outputs {
		d.Outputs = append(d.Outputs, outputDocument{o.key, s.Outputs[o.key], o.description})
	}
	return d
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, errorResponse{Namespace: namespace, Type: "Sender", Code: code, Message: message, RequestID: wire.NewID()})
}

func answer(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(doc) // the caller has gone: nobody is left to tell
}
