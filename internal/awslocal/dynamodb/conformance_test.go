package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// MILLRACE_CONFORMANCE_ENDPOINT runs the suite on another endpoint too, such as dynalite, ministack or AWS itself
// (https://dynamodb.us-east-1.amazonaws.com, with AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and perhaps
// AWS_SESSION_TOKEN). MILLRACE_CONFORMANCE_REFEREE names it, so that checks that it is known to fail are skipped.
const (
	envEndpoint = "MILLRACE_CONFORMANCE_ENDPOINT"
	envReferee  = "MILLRACE_CONFORMANCE_REFEREE"
)

// check is one check of the suite.
type check struct {
	name string
	run  func(*testing.T, *kit)
}

// wrong are the checks in which a referee is known to answer otherwise than AWS, as recorded in the sources that the
// package comment lists: dynalite 4.0.0, ministack 1.5.33.
var wrong = map[string][]string{
	"dynalite": {
		"CreateTable_NameTaken_IsRefused", "TimeToLive_IsDescribed", "Condition_Fails_ReturnsOldOnRequest", "Numbers_AreNormalised",
		"Conditions_AreTrueOrFalse", "Conditions_ThatAreWrong_AreRefused", "Query_OfNothing_CostsTheLeast", "BatchGetItem_ThatIsWrong_IsRefused",
		"GetItem_Bad_projection", "Transact_DoesAllActions_AtTwiceTheUnits", "Transact_OneConditionFails_DoesNothing_AndSaysWhy",
		"Transact_TokenAgain_DoesNothing", "Transact_KeyOfWrongForm_IsAReason", "Transact_HundredActions_AndNotOneMore", "Transact_ThatIsWrong_IsRefused",
		"Transact_Update_IsOneOfItsActions", "UpdateItem_ChangesWhatItSays", "UpdateItem_ThatIsWrong_IsRefused_AndChangesNothing",
		"UpdateItem_ConditionFails_ReturnsOldOnRequest", "BatchWriteItem_ThatIsWrong_IsRefused_AndWritesNothing", "Scan_ThatIsWrong_IsRefused",
		"Scan_Count_HasNoItems_AndCostsTheSame",
	},
	"ministack": {
		"TimeToLive_IsDescribed", "ConsumedCapacity_Reads", "Numbers_AreNormalised", "Numbers_AsKeys_AreOneHoweverWritten",
		"Conditions_AreTrueOrFalse", "Conditions_ThatAreWrong_AreRefused", "Query_Pages_ByOneMegabyte", "Query_ThatIsWrong_IsRefused",
		"BatchGetItem_FindsWhatIsThere", "BatchGetItem_ThatIsWrong_IsRefused", "Transact_KeyOfWrongForm_IsAReason", "Transact_ThatIsWrong_IsRefused",
		"PutItem_BadItem_long_key", "PutItem_BadItem_double_string", "PutItem_Bad_return_values_of_an_update", "PutItem_Bad_values_without_expression",
		"PutItem_Bad_name_of_a_value", "PutItem_Bad_name_of_a_name", "PutItem_Bad_wrong_value", "GetItem_Bad_conflict",
		"Scan_Count_HasNoItems_AndCostsTheSame", "Scan_Pages_ByOneMegabyte", "Scan_ThatIsWrong_IsRefused", "BatchWriteItem_ThatIsWrong_IsRefused_AndWritesNothing",
		"UpdateItem_ChangesWhatItSays", "UpdateItem_ThatIsWrong_IsRefused_AndChangesNothing", "UpdateItem_EmptyExpression_IsRefused",
		"Transact_Update_IsOneOfItsActions",
	},
}

// kit is what a check works with: a client, and tables of each kind of key.
type kit struct {
	*sdk.Client
	ctx                        context.Context
	hash, ranged, byNum, byBin string
}

var tableNumber atomic.Int64

// TestConformance holds the local endpoint, and another if one is given, against AWS's recorded behaviour.
func TestConformance(t *testing.T) {
	suite := slices.Concat(tableChecks, itemChecks, valueChecks, conditionChecks, queryChecks, scanChecks, batchChecks, batchWriteChecks, updateChecks, transactChecks, refusalChecks())
	t.Run("local", func(t *testing.T) { runSuite(t, serve(t, New(Options{}), nil), suite, "") })
	endpoint := os.Getenv(envEndpoint)
	if endpoint == "" {
		return
	}
	t.Run("endpoint", func(t *testing.T) {
		runSuite(t, dial(t, endpoint), suite, os.Getenv(envReferee))
	})
}

func runSuite(t *testing.T, c *sdk.Client, suite []check, referee string) {
	k := &kit{Client: c, ctx: context.Background()}
	k.hash = k.newTable(t, "S", "")
	k.ranged = k.newTable(t, "S", "S")
	k.byNum = k.newTable(t, "S", "N")
	k.byBin = k.newTable(t, "B", "B")
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			if slices.Contains(wrong[referee], strings.ReplaceAll(c.name, " ", "_")) {
				t.Skipf("%s is known to be wrong here", referee)
			}
			c.run(t, k)
		})
	}
}

// newTable creates a table with keys pk and sk of the given types, and deletes it at the end.
func (k *kit) newTable(t *testing.T, hash, sort string) string {
	t.Helper()
	name := fmt.Sprintf("conformance-%d-%d", time.Now().UnixNano(), tableNumber.Add(1))
	in := &sdk.CreateTableInput{
		TableName:            &name,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeType(hash)}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
	}
	if sort != "" {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeType(sort)})
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange})
	}
	if _, err := k.CreateTable(k.ctx, in); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = k.DeleteTable(k.ctx, &sdk.DeleteTableInput{TableName: &name}) })
	waiter := sdk.NewTableExistsWaiter(k.Client, func(o *sdk.TableExistsWaiterOptions) { o.MinDelay = time.Second })
	if err := waiter.Wait(k.ctx, &sdk.DescribeTableInput{TableName: &name}, time.Minute); err != nil {
		t.Fatal(err)
	}
	return name
}

// put writes an item.
func (k *kit) put(t *testing.T, table string, i item) {
	t.Helper()
	mustPut(t, k.Client, table, i)
}

// get reads an item back, nil for none.
func (k *kit) get(t *testing.T, table string, key item) item {
	t.Helper()
	out, err := k.GetItem(k.ctx, &sdk.GetItemInput{TableName: &table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

// holds tells whether a condition holds for an item, by way of a DeleteItem's refusal, and the error if it is none.
func (k *kit) holds(i item, condition string, names map[string]string, values item) (bool, error) {
	table := k.hash
	if _, err := k.PutItem(k.ctx, &sdk.PutItemInput{TableName: &table, Item: i}); err != nil {
		return false, err
	}
	_, err := k.DeleteItem(k.ctx, &sdk.DeleteItemInput{
		TableName: &table, Key: item{"pk": i["pk"]}, ConditionExpression: &condition,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	})
	if failed := new(types.ConditionalCheckFailedException); errors.As(err, &failed) {
		return false, nil
	}
	return err == nil, err
}

var ignoreState = cmpopts.IgnoreUnexported(
	types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{}, types.AttributeValueMemberBOOL{},
	types.AttributeValueMemberNULL{}, types.AttributeValueMemberSS{}, types.AttributeValueMemberNS{}, types.AttributeValueMemberBS{},
	types.AttributeValueMemberL{}, types.AttributeValueMemberM{}, types.KeysAndAttributes{}, types.ConsumedCapacity{},
	types.Capacity{}, types.CancellationReason{})

// same fails the test unless two values are equal; sets may come in another order.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	order := cmp.Options{
		cmpopts.SortSlices(func(a, b string) bool { return a < b }),
		cmpopts.SortSlices(func(a, b []byte) bool { return string(a) < string(b) }),
	}
	if diff := cmp.Diff(want, got, ignoreState, order, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// refused fails the test unless an error has the code, and its message the text in it.
func refused(t *testing.T, err error, code, text string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want %s", err, code)
	}
	if e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), text) {
		t.Errorf("got %s: %s\nwant %s: %s", e.ErrorCode(), e.ErrorMessage(), code, text)
	}
}
