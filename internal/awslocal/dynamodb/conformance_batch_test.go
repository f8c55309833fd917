package dynamodb

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func keys(n int) []map[string]types.AttributeValue {
	var all []map[string]types.AttributeValue
	for i := range n {
		all = append(all, item{"pk": str(fmt.Sprintf("batch-%d", i))})
	}
	return all
}

func (k *kit) batchGet(table string, want types.KeysAndAttributes) (*sdk.BatchGetItemOutput, error) {
	return k.BatchGetItem(k.ctx, &sdk.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{table: want}, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	})
}

var batchChecks = []check{
	{name: "BatchGetItem_FindsWhatIsThere", run: func(t *testing.T, k *kit) {
		for i := range 3 {
			k.put(t, k.hash, item{"pk": str(fmt.Sprintf("batch-%d", i)), "n": num(fmt.Sprint(i)), "x": str("x")})
		}
		out, err := k.batchGet(k.hash, types.KeysAndAttributes{
			Keys: keys(5), ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String("#n"), ExpressionAttributeNames: map[string]string{"#n": "n"},
		})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, i := range out.Responses[k.hash] {
			if len(i) != 1 {
				t.Errorf("item %v is not projected", i)
			}
			got[i["n"].(*types.AttributeValueMemberN).Value] = true
		}
		same(t, "items", got, map[string]bool{"0": true, "1": true, "2": true})
		same(t, "unprocessed", len(out.UnprocessedKeys), 0)
		same(t, "units", out.ConsumedCapacity, []types.ConsumedCapacity{{TableName: &k.hash, CapacityUnits: aws.Float64(5)}})
	}},
	{name: "BatchGetItem_ThatIsWrong_IsRefused", run: func(t *testing.T, k *kit) {
		_, err := k.batchGet(k.hash, types.KeysAndAttributes{Keys: keys(101)})
		refused(t, err, "ValidationException", "Member must have length less than or equal to 100")
		_, err = k.batchGet(k.hash, types.KeysAndAttributes{Keys: append(keys(2), keys(1)...)})
		refused(t, err, "ValidationException", "Provided list of item keys contains duplicates")
		_, err = k.batchGet("nowhere", types.KeysAndAttributes{Keys: keys(1)})
		refused(t, err, "ResourceNotFoundException", "Requested resource not found")
		_, err = k.batchGet(k.ranged, types.KeysAndAttributes{Keys: keys(1)})
		refused(t, err, "ValidationException", "The provided key element does not match the schema")
		_, err = k.batchGet(k.hash, types.KeysAndAttributes{Keys: keys(1), ExpressionAttributeNames: map[string]string{"#a": "a"}})
		refused(t, err, "ValidationException", "ExpressionAttributeNames can only be specified when using expressions")
		_, err = k.BatchGetItem(k.ctx, &sdk.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{}})
		refused(t, err, "ValidationException", "The requestItems parameter is required for BatchGetItem")
	}},
}
