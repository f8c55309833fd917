package dynamodb

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// scanned makes a table with 12 items in 4 partitions.
func (k *kit) scanned(t *testing.T) string {
	t.Helper()
	table := k.newTable(t, "S", "S")
	for i := range 12 {
		k.put(t, table, item{"pk": str(fmt.Sprintf("p%d", i%4)), "sk": str(fmt.Sprintf("%02d", i)), "n": num(fmt.Sprint(i)), "payload": str("x")})
	}
	return table
}

// scanAll reads all pages of a Scan: the sort keys in order, how many items were evaluated, and on how many pages.
func (k *kit) scanAll(t *testing.T, in *sdk.ScanInput) (found string, scanned, pages int) {
	t.Helper()
	var all []map[string]types.AttributeValue
	for in.ExclusiveStartKey = nil; pages == 0 || in.ExclusiveStartKey != nil; pages++ {
		out, err := k.Scan(k.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		if int(out.Count) != len(out.Items) {
			t.Errorf("count %d of %d items", out.Count, len(out.Items))
		}
		all = append(all, out.Items...)
		scanned += int(out.ScannedCount)
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	ordered := strings.Fields(sorts(all))
	slices.Sort(ordered)
	return strings.Join(ordered, " "), scanned, pages
}

const allScanned = "00 01 02 03 04 05 06 07 08 09 10 11"

var scanChecks = []check{
	{name: "Scan_FindsEverything_OnWhateverPages", run: func(t *testing.T, k *kit) {
		table := k.scanned(t)
		for limit, pages := range map[int32]int{1: 13, 5: 3, 12: 2, 100: 1} {
			found, scanned, n := k.scanAll(t, &sdk.ScanInput{TableName: &table, Limit: &limit})
			if found != allScanned || scanned != 12 || n != pages {
				t.Errorf("limit %d: %q of %d on %d pages", limit, found, scanned, n)
			}
		}
	}},
	{name: "Scan_Filter_IsAppliedBehindTheLimit", run: func(t *testing.T, k *kit) {
		table := k.scanned(t)
		found, scanned, pages := k.scanAll(t, &sdk.ScanInput{
			TableName: &table, Limit: aws.Int32(5), FilterExpression: aws.String("n >= :n AND begins_with(pk, :p)"), ExpressionAttributeValues: item{":n": num("7"), ":p": str("p")},
		})
		if found != "07 08 09 10 11" || scanned != 12 || pages != 3 {
			t.Errorf("%q of %d on %d pages", found, scanned, pages)
		}
	}},
	{name: "Scan_Segments_AreTheWholeAndApart", run: func(t *testing.T, k *kit) {
		table := k.scanned(t)
		for _, total := range []int32{1, 3, 7} {
			var all []string
			for segment := range total {
				found, _, _ := k.scanAll(t, &sdk.ScanInput{TableName: &table, Segment: aws.Int32(segment), TotalSegments: &total, Limit: aws.Int32(2)})
				all = append(all, strings.Fields(found)...)
			}
			slices.Sort(all)
			same(t, fmt.Sprint(total), strings.Join(all, " "), allScanned)
		}
	}},
	{name: "Scan_Projection_KeepsWhatItNames", run: func(t *testing.T, k *kit) {
		table := k.scanned(t)
		out, err := k.Scan(k.ctx, &sdk.ScanInput{TableName: &table, ProjectionExpression: aws.String("#n"), ExpressionAttributeNames: map[string]string{"#n": "n"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range out.Items {
			if len(i) != 1 || i["n"] == nil {
				t.Errorf("item %v", i)
			}
		}
	}},
	{name: "Scan_Count_HasNoItems_AndCostsTheSame", run: func(t *testing.T, k *kit) {
		table := k.newTable(t, "S", "")
		for i := range 3 {
			k.put(t, table, item{"pk": str(fmt.Sprint(i)), "v": str(strings.Repeat("x", 6<<10))})
		}
		out, err := k.Scan(k.ctx, &sdk.ScanInput{TableName: &table, Select: types.SelectCount, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
		if err != nil || out.Count != 3 || out.ScannedCount != 3 || len(out.Items) != 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		same(t, "units", out.ConsumedCapacity, &types.ConsumedCapacity{TableName: &table, CapacityUnits: aws.Float64(2.5)})
		out, err = k.Scan(k.ctx, &sdk.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
		if err != nil || len(out.Items) != 3 {
			t.Fatalf("%+v, %v", out, err)
		}
		same(t, "consistent", *out.ConsumedCapacity.CapacityUnits, 5.0)
	}},
	{name: "Scan_Pages_ByOneMegabyte", run: func(t *testing.T, k *kit) {
		table := k.newTable(t, "S", "")
		for i := range 6 {
			k.put(t, table, item{"pk": str(fmt.Sprint(i)), "v": str(strings.Repeat("x", 300<<10))})
		}
		out, err := k.Scan(k.ctx, &sdk.ScanInput{TableName: &table})
		if err != nil || out.Count != 4 || out.LastEvaluatedKey == nil {
			t.Fatalf("%d items, %v", out.Count, err)
		}
	}},
	{name: "Scan_ThatIsWrong_IsRefused", run: func(t *testing.T, k *kit) {
		for want, in := range map[string]*sdk.ScanInput{
			"The TotalSegments parameter is required but was not present in the request when Segment parameter is present":                      {Segment: aws.Int32(0)},
			"The Segment parameter is required but was not present in the request when parameter TotalSegments is present":                      {TotalSegments: aws.Int32(4)},
			"The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 5 is not less than TotalSegments: 5":   {Segment: aws.Int32(5), TotalSegments: aws.Int32(5)},
			"1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1": {Limit: aws.Int32(0)},
			"The provided starting key is invalid: The provided key element does not match the schema":                                          {ExclusiveStartKey: item{"pk": str("a")}},
			"ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName":                                                        {Select: "ALL_PROJECTED_ATTRIBUTES"},
			"ExpressionAttributeValues can only be specified when using expressions: FilterExpression is null":                                  {ExpressionAttributeValues: item{":a": num("1")}},

			"Invalid FilterExpression: Syntax error; ":                                                            {FilterExpression: aws.String("a =")},
			"Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk": {FilterExpression: aws.String("attribute_exists(pk.a)")},
			"Invalid ProjectionExpression: Two document paths overlap with each other":                            {ProjectionExpression: aws.String("a, a")},
		} {
			in.TableName = &k.ranged
			_, err := k.Scan(k.ctx, in)
			t.Run(want, func(t *testing.T) { refused(t, err, "ValidationException", want) })
		}
		_, err := k.Scan(k.ctx, &sdk.ScanInput{TableName: aws.String("nowhere")})
		refused(t, err, "ResourceNotFoundException", "Requested resource not found")
	}},
}
