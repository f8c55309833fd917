package dynamodb

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func put(table string, i item, condition string, values item) types.TransactWriteItem {
	p := &types.Put{TableName: &table, Item: i, ExpressionAttributeValues: values, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}
	if condition != "" {
		p.ConditionExpression = &condition
	}
	return types.TransactWriteItem{Put: p}
}

func (k *kit) transact(actions ...types.TransactWriteItem) (*sdk.TransactWriteItemsOutput, error) {
	return k.TransactWriteItems(k.ctx, &sdk.TransactWriteItemsInput{TransactItems: actions, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
}

// cancelled fails the test unless a transaction was cancelled for these reasons.
func cancelled(t *testing.T, err error, want ...types.CancellationReason) {
	t.Helper()
	e := new(types.TransactionCanceledException)
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a cancellation", err)
	}
	var codes []string
	for _, r := range want {
		codes = append(codes, *r.Code)
	}
	same(t, "message", e.ErrorMessage(), "Transaction cancelled, please refer cancellation reasons for specific reasons ["+strings.Join(codes, ", ")+"]")
	same(t, "reasons", e.CancellationReasons, want)
}

var (
	reasonNone   = types.CancellationReason{Code: aws.String("None")}
	reasonFailed = types.CancellationReason{Code: aws.String("ConditionalCheckFailed"), Message: aws.String("The conditional request failed")}
)

var transactChecks = []check{
	{name: "Transact_DoesAllActions_AtTwiceTheUnits", run: func(t *testing.T, k *kit) {
		k.put(t, k.hash, item{"pk": str("tx-gone")})
		k.put(t, k.hash, item{"pk": str("tx-checked"), "a": num("1")})
		out, err := k.transact(
			put(k.hash, item{"pk": str("tx-new"), "v": str(strings.Repeat("x", 1500))}, "attribute_not_exists(pk)", nil),
			types.TransactWriteItem{Delete: &types.Delete{TableName: &k.hash, Key: item{"pk": str("tx-gone")}}},
			types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
				TableName: &k.hash, Key: item{"pk": str("tx-checked")}, ConditionExpression: aws.String("a = :one"), ExpressionAttributeValues: item{":one": num("1")},
			}},
			put(k.ranged, item{"pk": str("tx"), "sk": str("1")}, "", nil),
		)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "gone", k.get(t, k.hash, item{"pk": str("tx-gone")}), item(nil))
		same(t, "other table", k.get(t, k.ranged, item{"pk": str("tx"), "sk": str("1")}), item{"pk": str("tx"), "sk": str("1")})
		same(t, "units", out.ConsumedCapacity, []types.ConsumedCapacity{
			{TableName: &k.hash, CapacityUnits: aws.Float64(8), WriteCapacityUnits: aws.Float64(8)},
			{TableName: &k.ranged, CapacityUnits: aws.Float64(2), WriteCapacityUnits: aws.Float64(2)},
		})
	}},
	{name: "Transact_OneConditionFails_DoesNothing_AndSaysWhy", run: func(t *testing.T, k *kit) {
		k.put(t, k.hash, item{"pk": str("tx-held"), "v": num("2")})
		_, err := k.transact(
			put(k.hash, item{"pk": str("tx-never")}, "", nil),
			put(k.hash, item{"pk": str("tx-held")}, "v = :v", item{":v": num("1")}),
			put(k.hash, item{"pk": str("tx-missing")}, "attribute_exists(pk)", nil),
		)
		failed := reasonFailed
		failed.Item = item{"pk": str("tx-held"), "v": num("2")}
		cancelled(t, err, reasonNone, failed, reasonFailed)
		same(t, "item", k.get(t, k.hash, item{"pk": str("tx-never")}), item(nil))
	}},
	{name: "Transact_TokenAgain_DoesNothing", run: func(t *testing.T, k *kit) {
		in := &sdk.TransactWriteItemsInput{
			ClientRequestToken: aws.String(k.hash[len(k.hash)-20:]), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
			TransactItems: []types.TransactWriteItem{put(k.hash, item{"pk": str("tx-token"), "a": num("1"), "b": strs("x", "y")}, "attribute_not_exists(pk)", nil)},
		}
		if _, err := k.TransactWriteItems(k.ctx, in); err != nil {
			t.Fatal(err)
		}
		for range 5 { // the SDK writes maps in another order each time
			out, err := k.TransactWriteItems(k.ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "units", out.ConsumedCapacity, []types.ConsumedCapacity{{TableName: &k.hash, CapacityUnits: aws.Float64(2), ReadCapacityUnits: aws.Float64(2)}})
		}
		in.TransactItems[0].Put.Item["a"] = num("2")
		_, err := k.TransactWriteItems(k.ctx, in)
		refused(t, err, "IdempotentParameterMismatchException", "")
	}},
	{name: "Transact_KeyOfWrongForm_IsAReason", run: func(t *testing.T, k *kit) {
		_, err := k.transact(put(k.hash, item{"pk": str("tx-ok")}, "", nil), put(k.hash, item{"id": str("a")}, "", nil))
		cancelled(t, err, reasonNone, types.CancellationReason{
			Code: aws.String("ValidationError"), Message: aws.String("One or more parameter values were invalid: Missing the key pk in the item"),
		})
	}},
	{name: "Transact_HundredActions_AndNotOneMore", run: func(t *testing.T, k *kit) {
		var actions []types.TransactWriteItem
		for i := range 101 {
			actions = append(actions, put(k.ranged, item{"pk": str("tx-many"), "sk": str(fmt.Sprint(i))}, "", nil))
		}
		if _, err := k.transact(actions[:100]...); err != nil {
			t.Error(err)
		}
		_, err := k.transact(actions...)
		refused(t, err, "ValidationException", "at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100")
	}},
	{name: "Transact_ThatIsWrong_IsRefused", run: func(t *testing.T, k *kit) {
		_, err := k.transact(put(k.hash, item{"pk": str("tx-twice")}, "", nil), types.TransactWriteItem{Delete: &types.Delete{TableName: &k.hash, Key: item{"pk": str("tx-twice")}}})
		refused(t, err, "ValidationException", "Transaction request cannot include multiple operations on one item")
		_, err = k.transact(put("nowhere", item{"pk": str("a")}, "", nil))
		refused(t, err, "ResourceNotFoundException", "Requested resource not found")
		_, err = k.transact([]types.TransactWriteItem{}...)
		if err == nil {
			t.Error("an empty transaction was done")
		}
		_, err = k.transact(put(k.hash, item{"pk": str("")}, "", nil))
		refused(t, err, "ValidationException", "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk")
		_, err = k.transact(put(k.hash, item{"pk": str("a")}, "a = :a", item{":a": num("1"), ":b": num("1")}))
		refused(t, err, "ValidationException", "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}")
		_, err = k.transact(types.TransactWriteItem{})
		refused(t, err, "ValidationException", "TransactItems can only contain one of Check, Put, Update or Delete")
		var large []types.TransactWriteItem
		for i := range 12 {
			large = append(large, put(k.ranged, item{"pk": str("tx-large"), "sk": str(fmt.Sprint(i)), "v": str(strings.Repeat("x", 350_000))}, "", nil))
		}
		_, err = k.transact(large...)
		refused(t, err, "ValidationException", "")
	}},
}
