package dynamodb

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/internal/awslocal/fault"
)

func putRequest(i item) types.WriteRequest {
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: i}}
}

func deleteRequest(key item) types.WriteRequest {
	return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key}}
}

func (k *kit) batchWrite(writes map[string][]types.WriteRequest) (*sdk.BatchWriteItemOutput, error) {
	return k.BatchWriteItem(k.ctx, &sdk.BatchWriteItemInput{RequestItems: writes, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
}

func puts(n int) (all []types.WriteRequest) {
	for i := range n {
		all = append(all, putRequest(item{"pk": str(fmt.Sprintf("write-%d", i))}))
	}
	return all
}

var batchWriteChecks = []check{
	{name: "BatchWriteItem_PutsAndDeletes", run: func(t *testing.T, k *kit) {
		k.put(t, k.hash, item{"pk": str("write-gone")})
		out, err := k.batchWrite(map[string][]types.WriteRequest{
			k.hash:   append(puts(2), deleteRequest(item{"pk": str("write-gone")})),
			k.ranged: {putRequest(item{"pk": str("write"), "sk": str("1")})},
		})
		if err != nil || len(out.UnprocessedItems) != 0 {
			t.Fatal(out, err)
		}
		same(t, "put", k.get(t, k.hash, item{"pk": str("write-1")}), item{"pk": str("write-1")})
		same(t, "deleted", k.get(t, k.hash, item{"pk": str("write-gone")}), item(nil))
		same(t, "other table", k.get(t, k.ranged, item{"pk": str("write"), "sk": str("1")}), item{"pk": str("write"), "sk": str("1")})
		for _, c := range out.ConsumedCapacity {
			same(t, *c.TableName, *c.CapacityUnits, map[string]float64{k.hash: 3, k.ranged: 1}[*c.TableName])
		}
	}},
	{name: "BatchWriteItem_ThatIsWrong_IsRefused_AndWritesNothing", run: func(t *testing.T, k *kit) {
		fresh := putRequest(item{"pk": str("write-never")})
		for want, writes := range map[string][]types.WriteRequest{
			"Member must have length less than or equal to 25":    puts(26),
			"Member must have length greater than or equal to 1":  {},
			"Provided list of item keys contains duplicates":      {fresh, deleteRequest(item{"pk": str("write-never")})},
			"The provided key element does not match the schema":  {fresh, deleteRequest(item{"sk": str("a")})},
			"must contain exactly one of the supported datatypes": {fresh, {}},
			"An string set  may not be empty":                     {fresh, putRequest(item{"pk": str("x"), "v": strs()})},
		} {
			_, err := k.batchWrite(map[string][]types.WriteRequest{k.hash: writes})
			t.Run(want, func(t *testing.T) { refused(t, err, "ValidationException", want) })
		}
		_, err := k.batchWrite(map[string][]types.WriteRequest{})
		refused(t, err, "ValidationException", "The requestItems parameter is required for BatchWriteItem")
		_, err = k.batchWrite(map[string][]types.WriteRequest{"nowhere": puts(1)})
		refused(t, err, "ResourceNotFoundException", "Requested resource not found")
		same(t, "item", k.get(t, k.hash, item{"pk": str("write-never")}), item(nil))
	}},
}

func TestBatchWriteItem_Partial_LeavesTheRestToSendAgain(t *testing.T) {
	faults := fault.New(1, fault.Rule{Operation: "DynamoDB.BatchWriteItem", Kind: fault.Partial, Probability: 1, Count: 1})
	k, _ := ledgerKit(t, Options{}, faults)
	var writes []types.WriteRequest
	for i := range 4 {
		writes = append(writes, putRequest(item{"pk": str("p"), "sk": str(fmt.Sprint(i))}))
	}
	writes[3] = deleteRequest(item{"pk": str("p"), "sk": str("3")})
	out, err := k.batchWrite(map[string][]types.WriteRequest{"ledger": writes})
	if err != nil || len(out.UnprocessedItems["ledger"]) != 2 {
		t.Fatal(out, err)
	}
	if out, err = k.batchWrite(out.UnprocessedItems); err != nil || len(out.UnprocessedItems) != 0 {
		t.Fatal(out, err)
	}
	q, err := k.Query(k.ctx, &sdk.QueryInput{TableName: aws.String("ledger"), KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: item{":p": str("p")}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "written", sorts(q.Items), "0 1 2")
}
