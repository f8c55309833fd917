package dynamodb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// fill puts items 00 to n-1 into a partition, once.
func (k *kit) fill(t *testing.T, pk string, n int, payload string) {
	t.Helper()
	for i := range n {
		k.put(t, k.ranged, item{"pk": str(pk), "sk": str(fmt.Sprintf("%02d", i)), "n": num(fmt.Sprint(i)), "payload": str(payload)})
	}
}

// sorts gives the sort keys of a query's items, as one text.
func sorts(items []map[string]types.AttributeValue) string {
	var all []string
	for _, i := range items {
		switch v := i["sk"].(type) {
		case *types.AttributeValueMemberS:
			all = append(all, v.Value)
		case *types.AttributeValueMemberN:
			all = append(all, v.Value)
		}
	}
	return strings.Join(all, " ")
}

// rangeQueries are key conditions and what they find among 00 to 05.
var rangeQueries = map[string]string{
	"pk = :p": "00 01 02 03 04 05", ":p = pk": "00 01 02 03 04 05", "(pk = :p)": "00 01 02 03 04 05",
	"pk = :p AND sk = :2": "02", "pk = :p and sk < :2": "00 01", "pk = :p AND sk <= :2": "00 01 02", "pk = :p AND sk > :2": "03 04 05",
	"pk = :p AND sk >= :2": "02 03 04 05", "sk >= :2 AND pk = :p": "02 03 04 05", "pk = :p AND :2 > sk": "00 01",
	"pk = :p AND sk BETWEEN :2 AND :4": "02 03 04", "pk = :p AND begins_with(sk, :0)": "00 01 02 03 04 05", "pk = :p AND begins_with(sk, :4)": "04",
	"(pk = :p) AND (sk BETWEEN :2 AND :2)": "02", "pk = :p AND sk = :9": "", "pk = :9": "", "(pk = :p AND (sk < :2))": "00 01",
}

var queryValues = item{":p": str("range"), ":2": str("02"), ":4": str("04"), ":0": str("0"), ":9": str("99")}

func queryUses(expression string) item {
	values := item{}
	for _, t := range lex(expression) {
		if v, ok := queryValues[t.text]; ok {
			values[t.text] = v
		}
	}
	if len(values) == 0 {
		return nil
	}
	return values
}

var queryChecks = []check{
	{name: "Query_FindsTheRange_InBothDirections", run: func(t *testing.T, k *kit) {
		k.fill(t, "range", 6, "")
		for condition, want := range rangeQueries {
			for _, forward := range []bool{true, false} {
				out, err := k.Query(k.ctx, &sdk.QueryInput{
					TableName: &k.ranged, KeyConditionExpression: &condition, ExpressionAttributeValues: queryUses(condition), ScanIndexForward: &forward,
				})
				if err != nil {
					t.Fatalf("%q: %v", condition, err)
				}
				want := strings.Fields(want)
				if !forward {
					for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
						want[i], want[j] = want[j], want[i]
					}
				}
				if got := sorts(out.Items); got != strings.Join(want, " ") || out.LastEvaluatedKey != nil {
					t.Errorf("%q forward %t: got %s, %v, want %s", condition, forward, got, out.LastEvaluatedKey, want)
				}
			}
		}
	}},
	{name: "Query_Pages_ByLimit", run: func(t *testing.T, k *kit) {
		k.fill(t, "paged", 6, "")
		for _, forward := range []bool{true, false} {
			in := &sdk.QueryInput{
				TableName: &k.ranged, KeyConditionExpression: aws.String("pk = :p AND sk < :4"), Limit: aws.Int32(2), ScanIndexForward: &forward,
				ExpressionAttributeValues: item{":p": str("paged"), ":4": str("04")},
			}
			var pages []string
			for {
				out, err := k.Query(k.ctx, in)
				if err != nil {
					t.Fatal(err)
				}
				pages = append(pages, sorts(out.Items))
				if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
					break
				}
			}
			// The page that ends exactly at the limit has a LastEvaluatedKey, so an empty one follows.
			want := map[bool]string{true: "00 01|02 03|", false: "03 02|01 00|"}[forward]
			same(t, "pages", strings.Join(pages, "|"), want)
		}
	}},
	{name: "Query_Pages_ByOneMegabyte", run: func(t *testing.T, k *kit) {
		k.fill(t, "large", 12, strings.Repeat("x", 100<<10))
		in := &sdk.QueryInput{
			TableName: &k.ranged, KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: item{":p": str("large")},
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal, ProjectionExpression: aws.String("sk"),
		}
		out, err := k.Query(k.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "count", []int32{out.Count, out.ScannedCount}, []int32{11, 11})
		same(t, "last", out.LastEvaluatedKey, item{"pk": str("large"), "sk": str("10")})
		size := 11 * (100<<10 + len("pk"+"large"+"sk"+"00"+"n"+"payload") + 2)
		if got, low := *out.ConsumedCapacity.CapacityUnits, float64(size/4096)/2; got < low || got > low+2 {
			t.Errorf("units %g, want about %g: the sum of the sizes, rounded up once", got, low)
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
		if out, err = k.Query(k.ctx, in); err != nil {
			t.Fatal(err)
		}
		same(t, "rest", sorts(out.Items), "11")
	}},
	{name: "Query_Filter_CountsWhatItEvaluates", run: func(t *testing.T, k *kit) {
		k.fill(t, "filtered", 6, "")
		out, err := k.Query(k.ctx, &sdk.QueryInput{
			TableName: &k.ranged, KeyConditionExpression: aws.String("pk = :p"), FilterExpression: aws.String("n >= :two AND NOT n IN (:four)"),
			ProjectionExpression: aws.String("sk"), ExpressionAttributeValues: item{":p": str("filtered"), ":two": num("2"), ":four": num("4.0")},
		})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "items", sorts(out.Items), "02 03 05")
		same(t, "item", out.Items[0], item{"sk": str("02")})
		same(t, "counts", []int32{out.Count, out.ScannedCount}, []int32{3, 6})
	}},
	{name: "Query_SelectCount_HasNoItems", run: func(t *testing.T, k *kit) {
		k.fill(t, "counted", 3, "")
		out, err := k.Query(k.ctx, &sdk.QueryInput{
			TableName: &k.ranged, KeyConditionExpression: aws.String("pk = :p"), Select: types.SelectCount,
			ExpressionAttributeValues: item{":p": str("counted")},
		})
		if err != nil || out.Count != 3 || out.Items != nil {
			t.Errorf("got %d, %v, %v", out.Count, out.Items, err)
		}
	}},
	{name: "Query_OfNothing_CostsTheLeast", run: func(t *testing.T, k *kit) {
		for consistent, want := range map[bool]float64{true: 1, false: 0.5} {
			out, err := k.Query(k.ctx, &sdk.QueryInput{
				TableName: &k.ranged, KeyConditionExpression: aws.String("pk = :p"), ConsistentRead: &consistent,
				ExpressionAttributeValues: item{":p": str("void")}, ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
			})
			if err != nil {
				t.Fatal(err)
			}
			same(t, "units", out.ConsumedCapacity, &types.ConsumedCapacity{
				TableName: &k.ranged, CapacityUnits: &want, Table: &types.Capacity{CapacityUnits: &want},
			})
		}
	}},
	{name: "Query_NumberKeys_SortByValue", run: func(t *testing.T, k *kit) {
		for _, n := range []string{"10", "-5", "1E-130", "5", "0", "-100", "1", "-1", "100", "-0.5", "99999999999999999999999999999999999999"} {
			k.put(t, k.byNum, item{"pk": str("sorted"), "sk": num(n)})
		}
		out, err := k.Query(k.ctx, &sdk.QueryInput{
			TableName: &k.byNum, KeyConditionExpression: aws.String("pk = :p AND sk BETWEEN :low AND :high"),
			ExpressionAttributeValues: item{":p": str("sorted"), ":low": num("-5.0"), ":high": num("1E2")},
		})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "keys", sorts(out.Items), "-5 -1 -0.5 0 0."+strings.Repeat("0", 129)+"1 1 5 10 100")
	}},
	{name: "Query_ThatIsWrong_IsRefused", run: queryRefusals},
}

func queryRefusals(t *testing.T, k *kit) {
	const invalid = "ValidationException"
	for _, c := range []struct {
		condition, filter, text string
		start                   item
	}{
		{condition: "", text: "Invalid KeyConditionExpression: The expression can not be empty;"},
		{condition: "sk = :2", text: "Query condition missed key schema element: pk"},
		{condition: "n = :2", text: "Query condition missed key schema element: pk"},
		{condition: "pk = :p AND n = :2", text: "Query condition missed key schema element: sk"},
		{condition: "pk > :p", text: "Query key condition not supported"},
		{condition: "pk = :p OR sk = :2", text: "Invalid operator used in KeyConditionExpression: OR"},
		{condition: "NOT pk = :p", text: "Invalid operator used in KeyConditionExpression: NOT"},
		{condition: "pk = :p AND contains(sk, :2)", text: "Invalid operator used in KeyConditionExpression: contains"},
		{condition: "pk = :p AND sk IN (:2)", text: "Invalid operator used in KeyConditionExpression: IN"},
		{condition: "pk = :p AND pk = :2", text: "KeyConditionExpressions must only contain one condition per key"},
		{condition: "pk = :p AND size(sk) = :2", text: "KeyConditionExpressions cannot contain nested operations"},
		{condition: "pk = :p AND sk.x = :2", text: "KeyConditionExpressions cannot have conditions on nested attributes"},
		{condition: "pk = :p AND :2 BETWEEN sk AND :4", text: "BETWEEN operator must have the key attribute as its first operand"},
		{condition: "pk = sk", text: "Multiple attribute names used in one condition"},
		{condition: "pk = :p AND :2 = :4", text: "No key attribute specified"},
		{condition: "pk = :n", text: "Condition parameter type does not match schema type"},
		{condition: "pk = :p AND sk = :2 AND n = :4", text: "Conditions can be of length 1 or 2 only"},
		{condition: "pk = :p AND sk BETWEEN :4 AND :2", text: "The BETWEEN operator requires upper bound to be greater than or equal to lower bound"},
		{condition: "pk = :p", filter: "sk = :2", text: "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"},
		{condition: "pk = :p", filter: "n = ", text: "Invalid FilterExpression: Syntax error; "},
		{condition: "pk = :p", start: item{"pk": str("range")}, text: "The provided starting key is invalid"},
		{condition: "pk = :p", start: item{"pk": str("other"), "sk": str("a")}, text: "The provided starting key is outside query boundaries based on provided conditions"},
		{condition: "pk = :p AND sk > :2", start: item{"pk": str("range"), "sk": str("01")}, text: "The provided starting key does not match the range key predicate"},
	} {
		t.Run(c.condition+" "+c.filter, func(t *testing.T) {
			in := &sdk.QueryInput{TableName: &k.ranged, KeyConditionExpression: &c.condition, ExclusiveStartKey: c.start}
			in.ExpressionAttributeValues = queryUses(c.condition + " " + c.filter)
			if strings.Contains(c.condition, ":n") {
				in.ExpressionAttributeValues = item{":n": num("1")}
			}
			if c.filter != "" {
				in.FilterExpression = &c.filter
			}
			_, err := k.Query(k.ctx, in)
			refused(t, err, invalid, c.text)
		})
	}
}
