package dynamodb

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

var tableChecks = []check{
	{name: "DescribeTable_DescribesTheTable", run: func(t *testing.T, k *kit) {
		out, err := k.DescribeTable(k.ctx, &sdk.DescribeTableInput{TableName: &k.ranged})
		if err != nil {
			t.Fatal(err)
		}
		d := out.Table
		same(t, "name", *d.TableName, k.ranged)
		same(t, "status", d.TableStatus, types.TableStatusActive)
		same(t, "billing", d.BillingModeSummary.BillingMode, types.BillingModePayPerRequest)
		same(t, "range key", *d.KeySchema[1].AttributeName, "sk")
		if !strings.HasSuffix(*d.TableArn, ":table/"+k.ranged) || d.CreationDateTime.Year() < 2020 {
			t.Errorf("ARN %s, created %s", *d.TableArn, d.CreationDateTime)
		}
	}},
	{name: "CreateTable_NameTaken_IsRefused", run: func(t *testing.T, k *kit) {
		_, err := k.CreateTable(k.ctx, &sdk.CreateTableInput{
			TableName: &k.hash, BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}},
		})
		refused(t, err, "ResourceInUseException", "Table already exists: "+k.hash)
	}},
	{name: "ListTables_PagesInOrder", run: func(t *testing.T, k *kit) {
		var all []string
		pages := sdk.NewListTablesPaginator(k.Client, &sdk.ListTablesInput{Limit: aws.Int32(2)})
		for pages.HasMorePages() {
			p, err := pages.NextPage(k.ctx)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, p.TableNames...)
		}
		for _, want := range []string{k.hash, k.ranged, k.byNum, k.byBin} {
			if !slices.Contains(all, want) {
				t.Errorf("%s is not listed in %v", want, all)
			}
		}
	}},
	{name: "DeleteTable_IsGone", run: func(t *testing.T, k *kit) {
		name := k.newTable(t, "S", "")
		out, err := k.DeleteTable(k.ctx, &sdk.DeleteTableInput{TableName: &name})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "status", out.TableDescription.TableStatus, types.TableStatusDeleting)
		_, err = k.GetItem(k.ctx, &sdk.GetItemInput{TableName: &name, Key: item{"pk": str("a")}})
		refused(t, err, "ResourceNotFoundException", "Requested resource not found")
	}},
	{name: "TimeToLive_IsDescribed", run: func(t *testing.T, k *kit) {
		name := k.newTable(t, "S", "")
		describe := func() *types.TimeToLiveDescription {
			out, err := k.DescribeTimeToLive(k.ctx, &sdk.DescribeTimeToLiveInput{TableName: &name})
			if err != nil {
				t.Fatal(err)
			}
			return out.TimeToLiveDescription
		}
		same(t, "before", describe().TimeToLiveStatus, types.TimeToLiveStatusDisabled)
		spec := &types.TimeToLiveSpecification{Enabled: aws.Bool(true), AttributeName: aws.String("expires")}
		in := &sdk.UpdateTimeToLiveInput{TableName: &name, TimeToLiveSpecification: spec}
		if _, err := k.UpdateTimeToLive(k.ctx, in); err != nil {
			t.Fatal(err)
		}
		same(t, "after", *describe().AttributeName, "expires")
		_, err := k.UpdateTimeToLive(k.ctx, in)
		refused(t, err, "ValidationException", "TimeToLive is already enabled")
	}},
}

var itemChecks = []check{
	{name: "PutItem_ReplacesWhole", run: func(t *testing.T, k *kit) {
		k.put(t, k.hash, item{"pk": str("replace"), "a": str("1")})
		out, err := k.PutItem(k.ctx, &sdk.PutItemInput{
			TableName: &k.hash, Item: item{"pk": str("replace"), "b": str("2")}, ReturnValues: types.ReturnValueAllOld,
		})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "old", out.Attributes, item{"pk": str("replace"), "a": str("1")})
		same(t, "new", k.get(t, k.hash, item{"pk": str("replace")}), item{"pk": str("replace"), "b": str("2")})
	}},
	{name: "PutItem_NoOldItem_ReturnsNone", run: func(t *testing.T, k *kit) {
		out, err := k.PutItem(k.ctx, &sdk.PutItemInput{TableName: &k.hash, Item: item{"pk": str("fresh")}, ReturnValues: types.ReturnValueAllOld})
		if err != nil || out.Attributes != nil {
			t.Errorf("got %v, %v", out.Attributes, err)
		}
	}},
	{name: "DeleteItem_ReturnsOld_AndIsIdempotent", run: func(t *testing.T, k *kit) {
		key := item{"pk": str("delete"), "sk": str("1")}
		k.put(t, k.ranged, key)
		in := &sdk.DeleteItemInput{TableName: &k.ranged, Key: key, ReturnValues: types.ReturnValueAllOld}
		for _, want := range []item{key, nil} {
			out, err := k.DeleteItem(k.ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "old", out.Attributes, want)
		}
		same(t, "item", k.get(t, k.ranged, key), item(nil))
	}},
	{name: "GetItem_Absent_HasNoItem", run: func(t *testing.T, k *kit) {
		if got := k.get(t, k.hash, item{"pk": str("absent")}); got != nil {
			t.Errorf("got %v", got)
		}
	}},
	{name: "Condition_Fails_ReturnsOldOnRequest", run: func(t *testing.T, k *kit) {
		k.put(t, k.hash, item{"pk": str("guarded"), "a": num("1")})
		in := &sdk.PutItemInput{
			TableName: &k.hash, Item: item{"pk": str("guarded")}, ConditionExpression: aws.String("attribute_not_exists(pk)"),
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}
		_, err := k.PutItem(k.ctx, in)
		failed := new(types.ConditionalCheckFailedException)
		if !errors.As(err, &failed) {
			t.Fatal(err)
		}
		same(t, "item", failed.Item, item{"pk": str("guarded"), "a": num("1")})
		same(t, "message", failed.ErrorMessage(), "The conditional request failed")
	}},
	{name: "GetItem_Projection_KeepsPaths", run: func(t *testing.T, k *kit) {
		k.put(t, k.hash, item{
			"pk": str("projected"), "m": object(item{"a": str("x"), "b": num("2")}), "l": list(str("0"), str("1"), str("2")), "c": num("3"),
		})
		out, err := k.GetItem(k.ctx, &sdk.GetItemInput{
			TableName: &k.hash, Key: item{"pk": str("projected")}, ProjectionExpression: aws.String("#m.b, l[2], l[0], absent.x, m.absent"),
			ExpressionAttributeNames: map[string]string{"#m": "m"},
		})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "item", out.Item, item{"m": object(item{"b": num("2")}), "l": list(str("0"), str("2"))})
	}},
	{name: "ConsumedCapacity_Writes", run: func(t *testing.T, k *kit) {
		for _, c := range []struct {
			value string
			units float64
		}{
			{strings.Repeat("x", 10), 1},
			{strings.Repeat("x", 1024-len("pk"+"capacity"+"v")), 1},
			{strings.Repeat("x", 1025-len("pk"+"capacity"+"v")), 2},
			{"", 2}, // the old item counts
			{"", 1},
		} {
			out, err := k.PutItem(k.ctx, &sdk.PutItemInput{
				TableName: &k.hash, Item: item{"pk": str("capacity"), "v": str(c.value)}, ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
			})
			if err != nil {
				t.Fatal(err)
			}
			same(t, "units", out.ConsumedCapacity, &types.ConsumedCapacity{
				TableName: &k.hash, CapacityUnits: &c.units, Table: &types.Capacity{CapacityUnits: &c.units},
			})
		}
	}},
	{name: "ConsumedCapacity_Reads", run: func(t *testing.T, k *kit) {
		k.put(t, k.hash, item{"pk": str("readable"), "v": str(strings.Repeat("x", 4097-len("pk"+"readable"+"v")))})
		for _, c := range []struct {
			key        string
			consistent bool
			units      float64
		}{{"readable", true, 2}, {"readable", false, 1}, {"nothing", true, 1}, {"nothing", false, 0.5}} {
			out, err := k.GetItem(k.ctx, &sdk.GetItemInput{
				TableName: &k.hash, Key: item{"pk": str(c.key)}, ConsistentRead: &c.consistent, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
			})
			if err != nil {
				t.Fatal(err)
			}
			same(t, "units", out.ConsumedCapacity, &types.ConsumedCapacity{TableName: &k.hash, CapacityUnits: &c.units})
		}
	}},
}

var valueChecks = []check{
	{name: "Values_OfEachType_RoundTrip", run: func(t *testing.T, k *kit) {
		i := item{
			"pk": str("values"), "empty": str(""), "quoted": str("\"\\\n\u00e9\U0001F600<&>\u2028"), "n": num("-12.5"), "b": bin(0, 1, 255), "eb": bin(),
			"t": boolean(true), "f": boolean(false), "z": null(), "ss": strs("b", "a"), "ns": nums("2", "1.5"), "bs": bins([]byte{2}, []byte{1}),
			"l": list(str("x"), list(num("1")), object(item{"y": null()})), "el": list(), "em": object(item{}),
			"m": object(item{"a": object(item{"b": list(boolean(true))})}),
		}
		k.put(t, k.hash, i)
		same(t, "item", k.get(t, k.hash, item{"pk": str("values")}), i)
	}},
	{name: "Numbers_AreNormalised", run: func(t *testing.T, k *kit) {
		for in, want := range map[string]string{
			"00042": "42", "1.0": "1", "3.1400": "3.14", "1.5E2": "150", "-0": "0", "0e1000": "0", "+3": "3", ".123": "0.123", "1e+5": "100000",
			"12345678901234567890123456789012345678": "12345678901234567890123456789012345678", "-7.1234": "-7.1234", "5E-3": "0.005",
			"1e-130": "0." + strings.Repeat("0", 129) + "1", "-9.9999999999999999999999999999999999999E+125": "-" + strings.Repeat("9", 38) + strings.Repeat("0", 88),
		} {
			k.put(t, k.hash, item{"pk": str("number"), "n": num(in)})
			same(t, in, k.get(t, k.hash, item{"pk": str("number")})["n"], num(want))
		}
	}},
	{name: "Numbers_AsKeys_AreOneHoweverWritten", run: func(t *testing.T, k *kit) {
		k.put(t, k.byNum, item{"pk": str("one"), "sk": num("1.50"), "v": str("x")})
		same(t, "item", k.get(t, k.byNum, item{"pk": str("one"), "sk": num("15E-1")})["v"], str("x"))
	}},
	{name: "BinaryKeys_SortAsBytes", run: func(t *testing.T, k *kit) {
		for _, b := range []byte{255, 1, 128} {
			k.put(t, k.byBin, item{"pk": bin(7), "sk": bin(b)})
		}
		out, err := k.Query(k.ctx, &sdk.QueryInput{TableName: &k.byBin, KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: item{":p": bin(7)}})
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for _, i := range out.Items {
			got = append(got, i["sk"].(*types.AttributeValueMemberB).Value...)
		}
		same(t, "keys", got, []byte{1, 128, 255})
	}},
	{name: "ItemSize_UpTo400KB", run: func(t *testing.T, k *kit) {
		room := 400<<10 - len("pk"+"size"+"v")
		k.put(t, k.hash, item{"pk": str("size"), "v": str(strings.Repeat("x", room))})
		_, err := k.PutItem(k.ctx, &sdk.PutItemInput{TableName: &k.hash, Item: item{"pk": str("size"), "v": str(strings.Repeat("x", room+1))}})
		refused(t, err, "ValidationException", "Item size has exceeded the maximum allowed size")
	}},
}
