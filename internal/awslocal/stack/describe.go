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
	stacks, err := d.asked(w, r)
	if err != nil {
		wire.WriteQuery(w, namespace, err)
		return
	}
	doc := describeStacksResponse{Namespace: namespace, RequestID: wire.NewID()}
	for _, s := range stacks {
		doc.Stacks = append(doc.Stacks, s.document())
	}
	wire.WriteXML(w, http.StatusOK, doc)
}

// asked gives the stacks that a DescribeStacks asks for.
func (d *Directory) asked(w http.ResponseWriter, r *http.Request) ([]*Stack, error) {
	form, err := wire.Form(w, r)
	if err != nil {
		return nil, err
	}
	if action := form.Get("Action"); action != "DescribeStacks" {
		return nil, wire.Unimplemented("the action " + strconv.Quote(action))
	}
	name := form.Get("StackName")
	if name == "" {
		return d.all(), nil
	}
	s := d.Find(name)
	if s == nil {
		return nil, wire.Errorf("ValidationError", "Stack with id %s does not exist", name)
	}
	return []*Stack{s}, nil
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
