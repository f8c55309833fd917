package awslocal

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/awslocal/dynamodb"
	"github.com/millrace/millrace/internal/awslocal/kinesis"
	"github.com/millrace/millrace/internal/awslocal/sns"
	"github.com/millrace/millrace/internal/awslocal/sqs"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// doc is the page that says what the endpoint is.
func doc(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/local.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var quoted = regexp.MustCompile("`([^`]+)`")

// row gives what is in backticks in the last cell of the table's row for a service.
func row(t *testing.T, page, service string) []string {
	t.Helper()
	for line := range strings.Lines(page) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.TrimSpace(cells[1]) != service {
			continue
		}
		var names []string
		for _, m := range quoted.FindAllStringSubmatch(cells[3], -1) {
			names = append(names, m[1])
		}
		return names
	}
	t.Fatalf("docs/local.md has no row for %s", service)
	return nil
}

func TestDoc_Operations_AreThoseOfTheCode(t *testing.T) {
	page := doc(t)
	for _, svc := range []*wire.Service{
		kinesis.New(kinesis.Options{}).Wire(), dynamodb.New(dynamodb.Options{}).Wire(), sqs.New(sqs.Options{}).Wire(),
	} {
		sameOperations(t, svc.Name, row(t, page, svc.Name), slices.Concat(slices.Collect(maps.Keys(svc.Operations)), slices.Collect(maps.Keys(svc.Streams))))
	}
	sameOperations(t, "SNS", row(t, page, "SNS"), sns.Operations())
	e := Start(t, Options{})
	both := append(e.Lambda.Operations(), e.Mappings.Operations()...) // ListTags is there for functions and for mappings
	slices.Sort(both)
	sameOperations(t, "Lambda", row(t, page, "Lambda"), slices.Compact(both))
}

func sameOperations(t *testing.T, service string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: docs/local.md has %v\nthe code %v", service, got, want)
	}
}

var (
	testFunc = regexp.MustCompile(`(?m)^func (Test\w+|Benchmark\w+)\(`)
	testName = regexp.MustCompile("`((?:Test|Benchmark)\\w+)`")
	caseName = regexp.MustCompile(`^TestCase\d+_`)
)

// tests lists the test and benchmark functions in a folder and all below it.
func tests(t *testing.T, folder string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllSubmatch(b, -1) {
			found[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestDoc_Tests_Exist(t *testing.T) {
	page, all := doc(t), tests(t, ".")
	named := map[string]bool{}
	for _, m := range testName.FindAllStringSubmatch(page, -1) {
		named[m[1]] = true
		if !all[m[1]] {
			t.Errorf("docs/local.md names %s, which is not there", m[1])
		}
	}
	for name := range tests(t, "esm") {
		if caseName.MatchString(name) && !named[name] {
			t.Errorf("docs/local.md has no rule for %s", name)
		}
	}
}
