package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// apiError makes of a wire error what the SDK makes of it.
func apiError(err error) error {
	if e := new(wire.Error); errors.As(err, &e) {
		return &smithy.GenericAPIError{Code: e.Code, Message: e.Message}
	}
	return err
}

// clock is a time that stands still until it is moved.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func seconds(t time.Time) types.AttributeValue { return num(strconv.FormatInt(t.Unix(), 10)) }

// ledgerKit is a kit whose one table is the ledger.
func ledgerKit(t *testing.T, opt Options, faults *fault.Injector) (*kit, *Service) {
	svc := newLedger(t, opt)
	return &kit{Client: serve(t, svc, faults), ctx: context.Background(), ranged: "ledger"}, svc
}

// size counts a table's items and their bytes, expired ones that nobody has swept yet included.
func size(svc *Service, table string) (items int, bytes int64) {
	svc.mu.RLock()
	defer svc.mu.RUnlock()
	t := svc.tables[table]
	return t.items, t.bytes
}

func TestTTL_ExpiredItem_IsGone(t *testing.T) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	c := &clock{start}
	k, svc := ledgerKit(t, Options{Now: c.Now}, nil)
	key := func(sk string) item { return item{"pk": str("p"), "sk": str(sk)} }
	k.put(t, "ledger", item{"pk": str("p"), "sk": str("soon"), "expires": seconds(start.Add(time.Minute))})
	k.put(t, "ledger", item{"pk": str("p"), "sk": str("late"), "expires": seconds(start.Add(24 * time.Hour))})
	k.put(t, "ledger", item{"pk": str("p"), "sk": str("long ago"), "expires": seconds(start.AddDate(-6, 0, 0))})
	k.put(t, "ledger", item{"pk": str("p"), "sk": str("text"), "expires": str("1")})
	c.now = start.Add(time.Minute - time.Second)
	if k.get(t, "ledger", key("soon")) == nil {
		t.Error("gone a second early")
	}
	c.now = start.Add(time.Minute)
	if k.get(t, "ledger", key("soon")) != nil {
		t.Error("still there")
	}
	out, err := k.Query(k.ctx, &sdk.QueryInput{TableName: aws.String("ledger"), KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: item{":p": str("p")}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "left", sorts(out.Items), "late long ago text")
	if n, _ := size(svc, "ledger"); n != 4 {
		t.Errorf("%d items before a write, want 4", n)
	}
	k.put(t, "ledger", key("text"))
	if n, _ := size(svc, "ledger"); n != 3 {
		t.Errorf("%d items after it, want 3", n)
	}
}

func TestTTL_ExpiredItem_IsNotInTheWay(t *testing.T) {
	c := &clock{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	k, svc := ledgerKit(t, Options{Now: c.Now}, nil)
	k.put(t, "ledger", item{"pk": str("p"), "sk": str("1"), "expires": seconds(c.now.Add(time.Second)), "v": num("1")})
	c.now = c.now.Add(time.Second)
	if _, err := k.transact(put("ledger", item{"pk": str("p"), "sk": str("1")}, "attribute_not_exists(pk) AND NOT v = :v", item{":v": num("1")})); err != nil {
		t.Error(err)
	}
	if n, bytes := size(svc, "ledger"); n != 1 || bytes != 6 {
		t.Errorf("%d items, %d bytes", n, bytes)
	}
}

func TestTTL_SwitchedOff_ItemsReturn_UntilSwept(t *testing.T) {
	c := &clock{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	k, _ := ledgerKit(t, Options{Now: c.Now}, nil)
	key := item{"pk": str("p"), "sk": str("1")}
	k.put(t, "ledger", item{"pk": str("p"), "sk": str("1"), "expires": seconds(c.now.Add(time.Second))})
	c.now = c.now.Add(time.Second)
	set := func(on bool) {
		_, err := k.UpdateTimeToLive(k.ctx, &sdk.UpdateTimeToLiveInput{
			TableName: aws.String("ledger"), TimeToLiveSpecification: &types.TimeToLiveSpecification{Enabled: &on, AttributeName: aws.String("expires")},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	set(false)
	if k.get(t, "ledger", key) == nil {
		t.Error("gone without a time to live")
	}
	set(true)
	if k.get(t, "ledger", key) != nil {
		t.Error("there in spite of its time to live")
	}
}

func TestToken_AfterTenMinutes_IsNew(t *testing.T) {
	c := &clock{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	k, _ := ledgerKit(t, Options{Now: c.Now}, nil)
	in := &sdk.TransactWriteItemsInput{
		ClientRequestToken: aws.String("token"),
		TransactItems:      []types.TransactWriteItem{put("ledger", item{"pk": str("p"), "sk": str("1")}, "attribute_not_exists(pk)", nil)},
	}
	for _, step := range []struct {
		after time.Duration
		done  bool
	}{{0, true}, {9 * time.Minute, true}, {59 * time.Second, true}, {time.Second, false}} {
		c.now = c.now.Add(step.after)
		_, err := k.TransactWriteItems(k.ctx, in)
		if (err == nil) != step.done {
			t.Errorf("%s later: %v", step.after, err)
		}
	}
}

func TestUnits_AreGroupedByKeyPrefix(t *testing.T) {
	k, svc := ledgerKit(t, Options{}, nil)
	k.put(t, "ledger", item{"pk": str("ledger#live#0"), "sk": str("1"), "ids": bin(make([]byte, 3000)...)})
	if _, err := k.transact(
		put("ledger", item{"pk": str("meter#live"), "sk": str("1")}, "", nil),
		put("ledger", item{"pk": str("ledger#live#0"), "sk": str("2")}, "", nil),
	); err != nil {
		t.Fatal(err)
	}
	k.get(t, "ledger", item{"pk": str("layout"), "sk": str("0")})
	_, err := k.transact(put("ledger", item{"pk": str("meter#live"), "sk": str("1")}, "attribute_not_exists(pk)", nil))
	if err == nil {
		t.Fatal("the condition holds")
	}
	same(t, "units", svc.Units("ledger"), map[string]Units{"ledger": {Write: 3 + 2}, "meter": {Write: 2 + 2}, "layout": {Read: 1}})
	if n, bytes := size(svc, "ledger"); n != 3 || bytes < 3000 || bytes > 3200 {
		t.Errorf("%d items, %d bytes", n, bytes)
	}
	if svc.Units("nowhere") != nil {
		t.Error("units of no table")
	}
}

func rule(operation string, kind fault.Kind) *fault.Injector {
	return fault.New(1, fault.Rule{Operation: "DynamoDB." + operation, Kind: kind, Probability: 1, Count: 1})
}

func TestFault_PartialTransaction_IsAConflict_AndAppliesNothing(t *testing.T) {
	k, svc := ledgerKit(t, Options{}, rule("TransactWriteItems", fault.Partial))
	in := []types.TransactWriteItem{put("ledger", item{"pk": str("p"), "sk": str("1")}, "", nil), put("ledger", item{"pk": str("p"), "sk": str("2")}, "", nil)}
	_, err := k.transact(in...)
	cancelled(t, err, types.CancellationReason{Code: aws.String("TransactionConflict"), Message: aws.String("Transaction is ongoing for the item")}, reasonNone)
	if n, _ := size(svc, "ledger"); n != 0 {
		t.Errorf("%d items", n)
	}
	if _, err := k.transact(in...); err != nil {
		t.Error(err)
	}
}

func TestFault_PartialBatchGet_LeavesKeysThatCanBeSentAgain(t *testing.T) {
	k, _ := ledgerKit(t, Options{}, rule("BatchGetItem", fault.Partial))
	want := types.KeysAndAttributes{ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String("#s"), ExpressionAttributeNames: map[string]string{"#s": "sk"}}
	for i := range 5 {
		key := item{"pk": str("p"), "sk": str(strconv.Itoa(i))}
		k.put(t, "ledger", key)
		want.Keys = append(want.Keys, key)
	}
	out, err := k.batchGet("ledger", want)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "found", sorts(out.Responses["ledger"]), "0 1")
	rest := out.UnprocessedKeys["ledger"]
	want.Keys = want.Keys[2:]
	same(t, "unprocessed", rest, want)
	if out, err = k.batchGet("ledger", rest); err != nil {
		t.Fatal(err)
	}
	same(t, "rest", sorts(out.Responses["ledger"]), "2 3 4")
}

func TestFault_PartialQuery_IsAShortPage(t *testing.T) {
	k, _ := ledgerKit(t, Options{}, rule("Query", fault.Partial))
	k.fill(t, "p", 3, "")
	in := &sdk.QueryInput{TableName: aws.String("ledger"), KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: item{":p": str("p")}}
	for _, want := range []string{"00", "01 02"} {
		out, err := k.Query(k.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "page", sorts(out.Items), want)
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func TestFault_Throttle_IsTheServicesOwn(t *testing.T) {
	k, _ := ledgerKit(t, Options{}, rule("PutItem", fault.Throttle))
	_, err := k.PutItem(k.ctx, &sdk.PutItemInput{TableName: aws.String("ledger"), Item: item{"pk": str("p"), "sk": str("1")}})
	if e := new(types.ProvisionedThroughputExceededException); !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
}

func TestNotImplemented_NamesWhatIsMissing(t *testing.T) {
	k, _ := ledgerKit(t, Options{}, nil)
	key, name := item{"pk": str("p"), "sk": str("1")}, aws.String("ledger")
	_, err := k.UpdateItem(k.ctx, &sdk.UpdateItemInput{TableName: name, Key: key, AttributeUpdates: map[string]types.AttributeValueUpdate{"a": {Value: num("1")}}})
	refused(t, err, "NotImplemented", "AttributeUpdates")
	_, err = k.Query(k.ctx, &sdk.QueryInput{TableName: name, IndexName: aws.String("index"), KeyConditionExpression: aws.String("pk = :p")})
	refused(t, err, "NotImplemented", "IndexName")
	_, err = k.Scan(k.ctx, &sdk.ScanInput{TableName: name, ScanFilter: map[string]types.Condition{"a": {ComparisonOperator: "NULL"}}})
	refused(t, err, "NotImplemented", "ScanFilter")
	_, err = k.CreateTable(k.ctx, &sdk.CreateTableInput{
		TableName: aws.String("indexed"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions:   []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}},
		KeySchema:              []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{IndexName: aws.String("i"), KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}}, Projection: &types.Projection{}}},
	})
	refused(t, err, "NotImplemented", "secondary indexes")
}

func TestCreateTable_FromGo_IsTheTableOnTheWire(t *testing.T) {
	svc := New(Options{Region: "eu-west-1", Account: "123456789012"})
	arn, err := svc.CreateTable(Table{Name: "tab", HashKey: Key{"id", "N"}, TTLAttribute: "gone"})
	if err != nil || arn != "arn:aws:dynamodb:eu-west-1:123456789012:table/tab" {
		t.Fatalf("got %s, %v", arn, err)
	}
	if _, err := svc.CreateTable(Table{Name: "tab", HashKey: Key{"id", "N"}}); err == nil {
		t.Error("the name was free")
	}
	if _, err := svc.CreateTable(Table{Name: "x"}); err == nil {
		t.Error("a table without a key was created")
	}
	c := serve(t, svc, nil)
	out, err := c.DescribeTimeToLive(context.Background(), &sdk.DescribeTimeToLiveInput{TableName: aws.String("tab")})
	if err != nil || *out.TimeToLiveDescription.AttributeName != "gone" {
		t.Errorf("got %v, %v", out, err)
	}
	tab := &sdk.DeleteTableInput{TableName: aws.String("tab")}
	if _, err := c.DeleteTable(context.Background(), tab); err != nil {
		t.Error(err)
	}
	_, err = c.DeleteTable(context.Background(), tab)
	refused(t, err, "ResourceNotFoundException", "Requested resource not found: Table: tab not found")
}

func TestRead_TableDeletedMeanwhile_IsNotFound(t *testing.T) {
	svc := newLedger(t, Options{})
	tab, err := svc.table("ledger")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := svc.drop("ledger"); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := svc.read(tab, key{"p", "1"}, false); err != errNoTable {
		t.Errorf("one item: %v", err)
	}
	if _, err := svc.readPage(&plan{table: tab, hash: "p"}); err != errNoTable {
		t.Errorf("a page: %v", err)
	}
	if err := svc.readBatch(&batch{tables: []*batchTable{{table: tab, keys: []key{{"p", "1"}}}}}, false); err != errNoTable {
		t.Errorf("a batch: %v", err)
	}
}

// TestTransact_Concurrent_ConservesTheSum moves amounts between accounts from several writers at once, and looks at all
// accounts meanwhile: every look must find the same sum.
func TestTransact_Concurrent_ConservesTheSum(t *testing.T) {
	const accounts, writers, moves, stake = 6, 4, 60, 100
	k, _ := ledgerKit(t, Options{}, nil)
	account := func(i, balance, version int) item {
		return item{"pk": str("bank"), "sk": str(strconv.Itoa(i)), "balance": num(strconv.Itoa(balance)), "version": num(strconv.Itoa(version))}
	}
	for i := range accounts {
		k.put(t, "ledger", account(i, stake, 1))
	}
	read := func() map[int][2]int {
		out, err := k.Query(k.ctx, &sdk.QueryInput{
			TableName: aws.String("ledger"), KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: item{":p": str("bank")}, ConsistentRead: aws.Bool(true),
		})
		if err != nil {
			t.Error(err)
			return nil
		}
		state, sum := map[int][2]int{}, 0
		for i, it := range out.Items {
			state[i] = [2]int{intOf(it["balance"]), intOf(it["version"])}
			sum += state[i][0]
		}
		if sum != accounts*stake {
			t.Errorf("the sum is %d, want %d", sum, accounts*stake)
		}
		return state
	}
	var wg sync.WaitGroup
	var done sync.Map
	for w := range writers {
		wg.Go(func() {
			for m := range moves {
				state := read()
				if len(state) != accounts {
					return
				}
				from, to := (w+m)%accounts, (w+3*m+1)%accounts
				if from == to {
					continue
				}
				move := func(i, by int) types.TransactWriteItem {
					return put("ledger", account(i, state[i][0]+by, state[i][1]+1), "version = :v", item{":v": num(strconv.Itoa(state[i][1]))})
				}
				_, err := k.transact(move(from, -1), move(to, +1))
				if e := new(types.TransactionCanceledException); err != nil && !errors.As(err, &e) {
					t.Error(err)
				}
				if err == nil {
					done.Store(fmt.Sprint(w, m), true)
				}
			}
		})
	}
	wg.Wait()
	versions, commits := 0, 0
	for _, s := range read() {
		versions += s[1] - 1
	}
	done.Range(func(any, any) bool { commits++; return true })
	if commits == 0 || versions != 2*commits {
		t.Errorf("%d commits, but %d versions", commits, versions)
	}
}

func intOf(v types.AttributeValue) int {
	n, _ := strconv.Atoi(v.(*types.AttributeValueMemberN).Value)
	return n
}

func TestUnits_ManyGroups_CountTogether(t *testing.T) {
	var c consumption
	for i := range 2 * maxGroups {
		c.add(strconv.Itoa(i), Units{Write: 1})
	}
	all := c.snapshot()
	if len(all) != maxGroups+1 || all[""].Write != maxGroups || all["7"].Write != 1 {
		t.Errorf("%d groups, %v in the last", len(all), all[""])
	}
}
