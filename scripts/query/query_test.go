package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/millrace/millrace/internal/awslocal"
	"github.com/millrace/millrace/internal/awslocal/stack"
	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/processor"
)

const template = `
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}, {AttributeName: sk, AttributeType: S}]
      BillingMode: PAY_PER_REQUEST
      KeySchema: [{AttributeName: pk, KeyType: HASH}, {AttributeName: sk, KeyType: RANGE}]
Outputs:
  TableName: {Value: !Ref Table}
`

const meters = `{"meters":[
	{"name":"sales","type":"sale","by":["data.shop","data.club"],"window":"1d","measures":{"amount":"data.amount"}},
	{"name":"all","type":"sale","window":"6h"},
	{"name":"idle","type":"nothing","window":"1h"}
]}`

// world is an endpoint with the table of a stack, and the file that declares its meters.
type world struct {
	*awslocal.Endpoint
	table, meters string
}

func start(t *testing.T) world {
	t.Helper()
	w := world{Endpoint: awslocal.Start(t, awslocal.Options{}), meters: filepath.Join(t.TempDir(), "meters.json")}
	w.table = awslocal.MakeStack(t, w.Endpoint, template, stack.Options{})["TableName"]
	if err := os.WriteFile(w.meters, []byte(meters), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// count counts sales, each "ID TIME SHOP CLUB AMOUNT", as records of one shard.
func (w world) count(t *testing.T, shard string, sales ...string) {
	t.Helper()
	w.countIn(t, ledger.LiveSet, shard, sales...)
}

func (w world) countIn(t *testing.T, in, shard string, sales ...string) {
	t.Helper()
	set, err := meter.Parse("meters.json", []byte(meters))
	if err != nil {
		t.Fatal(err)
	}
	l := ledger.New(dynamodb.NewFromConfig(w.Config()), w.table, ledger.Options{Layout: ledger.Layout{Bits: 1, Epoch: 15 * time.Minute}})
	b := processor.Batch{Shard: shard, Set: in}
	for i, s := range sales {
		f := strings.Fields(s)
		b.Records = append(b.Records, processor.Record{SequenceNumber: fmt.Sprint(i + 1), PartitionKey: "k", Arrival: time.Now(), Data: fmt.Appendf(nil,
			`{"specversion":"1.0","id":%q,"source":"/s","type":"sale","time":"2001-01-%sZ","data":{"shop":%q,"club":%s,"amount":%s}}`, f[0], f[1], f[2], f[3], f[4])})
	}
	if r := processor.New(set, l, nil, processor.Settings{}).Process(t.Context(), b); r.Err != nil || r.Counted != len(sales) {
		t.Fatalf("%+v", r)
	}
}

// sold is a world in which two shards have counted.
func sold(t *testing.T) world {
	w := start(t)
	w.count(t, "shardId-000000000000", "1 01T05:00:00 zrh true 10.5", "2 01T06:00:00 lhr false 1", "3 02T00:00:00 zrh true -0.25")
	w.count(t, "shardId-000000000001", "4 01T05:30:00 zrh true 2", "5 03T00:00:00 a/b false 99999999999999.000000001")
	return w
}

func (w world) query(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = cli.Execute(t.Context(), "query", run, append([]string{"-endpoint", w.URL(), "-meters", w.meters}, args...), nil, &out, &err)
	return code, out.String(), err.String()
}

// rows are the values of a CSV, without its header.
func (w world) rows(t *testing.T, args ...string) [][]string {
	t.Helper()
	code, stdout, stderr := w.query(t, append(args, "-csv")...)
	rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	if err != nil || code != cli.ExitDone || len(rows) == 0 {
		t.Fatalf("%s: exit %d, %v, %q, %q", args, code, err, stdout, stderr)
	}
	return rows[1:]
}

func TestQuery_Text_IsForPeople(t *testing.T) {
	const want = `shop  club   count             amount.sum             amount.min             amount.max  amount.avg  by window
zrh   true       3                  12.25                  -0.25                   10.5        4.08  █▅▁
a/b   false      1  99,999,999,999,999.000000001  99,999,999,999,999.000000001  99,999,999,999,999.000000001`
	code, stdout, stderr := sold(t).query(t, "sales", "-top", "2")
	fields := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if code != cli.ExitDone || stderr != "" || !strings.HasPrefix(fields(stdout), fields(want)) {
		t.Errorf("exit %d, %q\n%s", code, stderr, stdout)
	}
}

func TestQuery_JSON_IsExact(t *testing.T) {
	code, stdout, _ := sold(t).query(t, "sales", "-json", "-group", "a/b,false")
	const want = `[{"shop":"a/b","club":"false","count":1,"amount.sum":99999999999999.000000001,"amount.min":99999999999999.000000001,` +
		`"amount.max":99999999999999.000000001,"amount.avg":`
	if got := strings.ReplaceAll(stdout, "\n", ""); code != cli.ExitDone || !strings.HasPrefix(got, want) || !json.Valid([]byte(stdout)) {
		t.Errorf("exit %d, %s", code, stdout)
	}
}

func TestQuery_Rows_AreWhatWasAskedFor(t *testing.T) {
	w := sold(t)
	const big = "99999999999999.000000001"
	zrh := []string{"zrh", "true", "3", "12.25", "-0.25", "10.5", "4.083333333333333"}
	lhr := []string{"lhr", "false", "1", "1", "1", "1", "1"}
	ab := []string{"a/b", "false", "1", big, big, big, "99999999999999"}
	for _, c := range []struct {
		args string
		want [][]string
	}{
		{"sales", [][]string{zrh, ab, lhr}},
		{"sales -top 1", [][]string{zrh}},
		{"sales -top 99", [][]string{zrh, ab, lhr}},
		{"sales -sort amount", [][]string{ab, zrh, lhr}},
		{"sales -group lhr,false", [][]string{lhr}},
		{"sales -group lhr,true", nil},
		{"sales -from 2001-01-02 -to 2001-01-03", [][]string{{"zrh", "true", "1", "-0.25", "-0.25", "-0.25", "-0.25"}}},
		{"sales -from 2001-01-03T00:00:00Z", [][]string{ab}},
		{"sales -each -group zrh,true", [][]string{
			{"2001-01-01T00:00:00Z", "zrh", "true", "2", "12.5", "2", "10.5", "6.25"},
			{"2001-01-02T00:00:00Z", "zrh", "true", "1", "-0.25", "-0.25", "-0.25", "-0.25"},
		}},
		{"all", [][]string{{"5"}}},
		{"all -each -top 2", [][]string{{"2001-01-01T00:00:00Z", "2"}, {"2001-01-01T06:00:00Z", "1"}}},
		{"idle", nil},
	} {
		if diff := cmp.Diff(c.want, w.rows(t, strings.Fields(c.args)...), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", c.args, diff)
		}
	}
}

func TestQuery_Set_IsReadInsteadOfTheLiveOne(t *testing.T) {
	w := sold(t)
	w.countIn(t, "march-again", "shardId-000000000000", "1 01T05:00:00 zrh true 10.5")
	for set, want := range map[string]string{"march-again": "1", ledger.LiveSet: "5"} {
		if diff := cmp.Diff([][]string{{want}}, w.rows(t, "all", "-set", set)); diff != "" {
			t.Errorf("%s: %s", set, diff)
		}
	}
	code, stdout, stderr := w.query(t, "sales", "-set", "march-again", "-from", "2002-01-01", "-json")
	if code != cli.ExitDone || stdout != "[\n]\n" || !strings.Contains(stderr, "asked for in set march-again") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
}

func TestQuery_NoSuchSet_NamesThoseThereAre(t *testing.T) {
	w := sold(t)
	w.countIn(t, "march-again", "shardId-000000000000", "1 01T05:00:00 zrh true 10.5")
	code, stdout, stderr := w.query(t, "sales", "-set", "april")
	if code != cli.ExitFailed || stdout != "" || !strings.Contains(stderr, "set april in table "+w.table+": there is no such set: it has live, march-again") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	code, _, stderr = start(t).query(t, "sales", "-set", "april")
	if code != cli.ExitFailed || !strings.Contains(stderr, "nothing was ever counted") {
		t.Errorf("a table that is empty: exit %d, %q", code, stderr)
	}
}

func TestQuery_Group_FindsEveryGroupThatReadsSo(t *testing.T) {
	w := start(t)
	w.count(t, "shardId-000000000000", `1 01T05:00:00 a,b "true" 1`, `2 01T06:00:00 a,b true 2`, `3 01T07:00:00 5'10" 1.50 3`, `4 02T00:00:00 x "" 4`)
	for group, counts := range map[string][]string{`"a,b",true`: {"1", "1"}, `5'10",1.5`: {"1"}, `5'10",1.50`: nil, `x,`: {"1"}, `"x",""`: {"1"}} {
		var got []string
		for _, row := range w.rows(t, "sales", "-group", group) {
			got = append(got, row[2])
		}
		if diff := cmp.Diff(counts, got); diff != "" {
			t.Errorf("%s: %s", group, diff)
		}
	}
}

func TestQuery_Group_IsAQueryForEachWindow(t *testing.T) {
	w := sold(t)
	before := w.DynamoDB.Units(w.table)["meter"].Read
	w.rows(t, "sales", "-group", "lhr,false")
	one := w.DynamoDB.Units(w.table)["meter"].Read - before
	w.rows(t, "sales")
	if all := w.DynamoDB.Units(w.table)["meter"].Read - before - one; one >= all {
		t.Errorf("one group takes %v read units, all take %v", one, all)
	}
}

func TestColumnsOf_NamesAreUnique(t *testing.T) {
	set, err := meter.Parse("f", []byte(`{"meters":[{"name":"m","type":"t","window":"1h","measures":{"amount":"data.amount"},
		"by":["subject","data.from.code","data.to.code","data.count","data.window","data.\"amount.sum\"","data.shop"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"subject", "data.from.code", "data.to.code", "data.count", "data.window", `data."amount.sum"`, "shop",
		"count", "amount.sum", "amount.min", "amount.max", "amount.avg",
	}
	if diff := cmp.Diff(want, columnsOf(set.Meters[0])); diff != "" {
		t.Error(diff)
	}
}

func TestValues_GroupThatCannotBeDecoded_IsShownWhereThereIsAColumn(t *testing.T) {
	set, err := meter.Parse("meters.json", []byte(meters))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a%2", ""}, values(set.Find("sales"), "a%2")); diff != "" {
		t.Error(diff)
	}
	if got := values(set.Find("all"), "strange"); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestQuery_NothingThere_SaysSoAndWritesAnEmptyTable(t *testing.T) {
	for name, w := range map[string]world{"no layout yet": start(t), "another meter": sold(t)} {
		code, stdout, stderr := w.query(t, "idle", "-json")
		if code != cli.ExitDone || stdout != "[\n]\n" || stderr != "meter idle holds nothing: nothing has been counted since it was declared as it is now\n" {
			t.Errorf("%s: exit %d, %q, %q", name, code, stdout, stderr)
		}
		for _, filter := range []string{"-from=2001-01-01", "-to=2001-01-01"} {
			if code, _, stderr := w.query(t, "idle", filter); code != cli.ExitDone || stderr != "meter idle holds nothing of what was asked for\n" {
				t.Errorf("%s, %s: exit %d, %q", name, filter, code, stderr)
			}
		}
	}
}

func TestQuery_WrongUsage_SaysWhatIsThere(t *testing.T) {
	w := start(t)
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"", "want the name of one meter", cli.ExitUsage},
		{"sales all", "want the name of one meter", cli.ExitUsage},
		{"sales -top x", "-top", cli.ExitUsage},
		{"sales -top -1", "cannot be negative", cli.ExitUsage},
		{"sales -from yesterday", "want a time as in 2001-01-31", cli.ExitUsage},
		{"sales -each -sort amount", "order of time", cli.ExitUsage},
		{"sales -set No#Name", `-set: set "No#Name": want 1 to 32 lower case letters`, cli.ExitUsage},
		{"sales -bogus", "-bogus", cli.ExitUsage},
		{"nosuch", "declares sales, all, idle", cli.ExitFailed},
		{"sales -sort shop", "meter sales has count, amount", cli.ExitUsage},
		{"sales -from 2001-01-05 -to 2001-01-03", "no window begins between them", cli.ExitUsage},
		{"sales -json -csv", "is given beside -json: choose one", cli.ExitUsage},
		{"sales -group zrh", "-group has 1 value, and meter sales groups by 2", cli.ExitUsage},
		{"sales -group a,b,c", "-group has 3 values, and meter sales groups by 2", cli.ExitUsage},
		{"all -group zrh", "-group has 1 value, and meter all groups by 0", cli.ExitUsage},
		{`sales -group "zrh,true"`, "-group has 1 value, and", cli.ExitUsage},
		{"sales -meters none.json", "read meters: open none.json", cli.ExitFailed},
		{"sales -stack nosuch", "stack nosuch not found", cli.ExitFailed},
		{"sales -endpoint nonsense", "want a URL", cli.ExitUsage},
	} {
		code, stdout, stderr := w.query(t, strings.Fields(c.args)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, %q, %q, want %q", c.args, code, stdout, stderr, c.want)
		}
	}
}

func TestQuery_NobodyAtTheEndpoint_SaysHowToStartOne(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	code, _, stderr := start(t).query(t, "sales", "-endpoint", "http://"+l.Addr().String())
	if code != cli.ExitFailed || !strings.Contains(stderr, "go run ./scripts/local -serve") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestFindMetersFile_IsTheNearestUpwards(t *testing.T) {
	file, err := findMetersFile()
	if err != nil || !strings.HasSuffix(file, "functions/processor/meters.json") {
		t.Errorf("%s, %v", file, err)
	}
	t.Chdir(t.TempDir())
	if _, err := findMetersFile(); err == nil || !strings.Contains(err.Error(), "-meters names the file") {
		t.Errorf("error %v", err)
	}
}

func TestSpark_ManyWindows_FitsTheLine(t *testing.T) {
	for _, n := range []int{0, 1, sparkWidth, sparkWidth + 1, 1000} {
		if line := []rune(spark(make([]float64, n))); len(line) > sparkWidth || n > 0 && len(line) == 0 {
			t.Errorf("%d windows: %d characters", n, len(line))
		}
	}
}
