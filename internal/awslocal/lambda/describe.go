package lambda

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// modifiedAt is how the API writes the time of a function's last change.
const modifiedAt = "2006-01-02T15:04:05.000-0700"

// configuration is a version as the API shows it, with mu held. A function is ready at once: it is never Pending. The ARN
// has the qualifier of the request, or the version's number unless that is Latest.
func (s *Service) configuration(v *version, qualifier string) map[string]any {
	doc := s.listed(v, qualifier)
	doc["State"], doc["LastUpdateStatus"] = "Active", "Successful"
	doc["RuntimeVersionConfig"] = map[string]any{"RuntimeVersionArn": "arn:aws:lambda:" + s.opt.Region + "::runtime:local"}
	return doc
}

// listed is a version as lists show it: without its state.
func (s *Service) listed(v *version, qualifier string) map[string]any {
	if qualifier == "" && v.number != Latest {
		qualifier = v.number
	}
	doc := map[string]any{
		"TracingConfig": map[string]string{"Mode": "PassThrough"}, "EphemeralStorage": map[string]int{"Size": 512},
		"LoggingConfig": map[string]string{"LogFormat": "Text", "LogGroup": "/aws/lambda/" + v.Name},
		"SnapStart":     map[string]string{"ApplyOn": "None", "OptimizationStatus": "Off"},
		"FunctionName":  v.Name, "FunctionArn": s.ARN(qualified(v.Name, qualifier)), "Version": v.number,
		"Role": v.RoleARN, "Handler": v.Handler, "Runtime": v.Runtime, "Description": v.Description, "PackageType": "Zip",
		"Timeout": int(v.Timeout / time.Second), "MemorySize": v.MemoryMB, "Architectures": []string{v.Architecture},
		"CodeSha256": v.code.sha256, "CodeSize": v.code.size, "RevisionId": v.revision,
		"LastModified": v.modified.UTC().Format(modifiedAt),
	}
	if v.Environment != nil {
		doc["Environment"] = map[string]any{"Variables": v.Environment}
	}
	maps.Insert(doc, maps.All(anys(v.Shown)))
	return doc
}

func anys(in map[string]jsontext.Value) map[string]any {
	out := map[string]any{}
	for name, v := range in {
		out[name] = v
	}
	return out
}

// getFunction answers GetFunction. Where the code is, is a path of this machine.
func (s *Service) getFunction(r *http.Request) (int, any, error) {
	name, qualifier := target(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.resolve(name, qualifier)
	if err != nil {
		return 0, nil, err
	}
	doc := map[string]any{
		"Configuration": s.configuration(v, qualifier),
		"Code":          map[string]string{"RepositoryType": "local", "Location": v.code.dir},
	}
	if reserved := v.function.reserved; reserved != nil {
		doc["Concurrency"] = map[string]int{"ReservedConcurrentExecutions": *reserved}
	}
	if len(v.function.tags) > 0 {
		doc["Tags"] = v.function.tags
	}
	return http.StatusOK, doc, nil
}

// getConfiguration answers GetFunctionConfiguration.
func (s *Service) getConfiguration(r *http.Request) (int, any, error) {
	name, qualifier := target(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.resolve(name, qualifier)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.configuration(v, qualifier), nil
}

type functionList struct {
	Functions  []map[string]any
	NextMarker string `json:",omitzero"`
}

// listFunctions answers ListFunctions: by name, with FunctionVersion=ALL every version of each.
func (s *Service) listFunctions(r *http.Request) (int, any, error) {
	which := r.URL.Query().Get("FunctionVersion")
	if which != "" && which != "ALL" {
		var v violations
		v.OneOf(which, "functionVersion", "ALL")
		return 0, nil, v.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*version
	for _, name := range slices.Sorted(maps.Keys(s.functions)) {
		all = append(all, s.functions[name].latest)
		if which == "ALL" {
			all = append(all, s.functions[name].published...)
		}
	}
	page, next, err := s.page(r.URL.Query(), all, which == "ALL")
	return http.StatusOK, functionList{page, next}, err
}

// page gives one page of versions.
func (s *Service) page(q url.Values, all []*version, everyVersion bool) ([]map[string]any, string, error) {
	slices.SortStableFunc(all, func(a, b *version) int { return strings.Compare(markerOf(a), markerOf(b)) })
	page, next, err := wire.Page(q, maxItems, all, markerOf)
	docs := make([]map[string]any, len(page))
	for i, v := range page {
		qualifier := ""
		if everyVersion {
			qualifier = v.number
		}
		docs[i] = s.listed(v, qualifier)
	}
	return docs, next, err
}

// markerOf is the place of a version in lists: by name, Latest first ("$" sorts before digits), then by number.
func markerOf(v *version) string {
	const digits = "0000000000"
	number := v.number
	if number != Latest {
		number = digits[:max(0, len(digits)-len(number))] + number
	}
	return v.Name + ":" + number
}

// listVersions answers ListVersionsByFunction.
func (s *Service) listVersions(r *http.Request) (int, any, error) {
	name, _ := target(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[name]
	if f == nil {
		return 0, nil, s.notFound(name)
	}
	page, next, err := s.page(r.URL.Query(), append([]*version{f.latest}, f.published...), true)
	return http.StatusOK, struct {
		Versions   []map[string]any
		NextMarker string `json:",omitzero"`
	}{page, next}, err
}

// listTags answers ListTags for a function.
func (s *Service) listTags(r *http.Request) (int, any, error) {
	name, qualifier := SplitName(r.PathValue("arn"))
	if qualifier != "" { // recorded by LocalStack (test_tag_exceptions)
		return 0, nil, invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[name]
	if f == nil {
		return 0, nil, s.notFound(name)
	}
	return http.StatusOK, map[string]any{"Tags": f.tags}, nil
}
