package dynamodb

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// badItems are items that PutItem refuses, and its texts.
var badItems = []struct {
	name string
	item item
	text string
}{
	{"no key", item{"a": str("x")}, "One or more parameter values were invalid: Missing the key pk in the item"},
	{"key of another type", item{"pk": num("1")}, "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N"},
	{"empty key", item{"pk": str("")}, "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"},
	{"long key", item{"pk": str(strings.Repeat("x", 2049))}, "Size of hashkey has exceeded the maximum size limit of2048 bytes"},
	{"empty string set", item{"pk": str("a"), "v": strs()}, "An string set  may not be empty"},
	{"empty number set", item{"pk": str("a"), "v": nums()}, "An number set  may not be empty"},
	{"empty binary set", item{"pk": str("a"), "v": bins()}, "Binary sets should not be empty"},
	{"empty set inside", item{"pk": str("a"), "v": list(object(item{"x": strs()}))}, "An string set  may not be empty"},
	{"double string", item{"pk": str("a"), "v": strs("a", "a")}, "Input collection [a, a] contains duplicates."},
	{"double number", item{"pk": str("a"), "v": nums("1", "1.0")}, "Input collection contains duplicates"},
	{"null that is false", item{"pk": str("a"), "v": &types.AttributeValueMemberNULL{}}, "Null attribute value types must have the value of true"},
	{"39 digits", item{"pk": str("a"), "v": num("123456789012345678901234567890123456789")}, "Attempting to store more than 38 significant digits in a Number"},
	{"too large", item{"pk": str("a"), "v": num("1E126")}, "Number overflow. Attempting to store a number with magnitude larger than supported range"},
	{"too small", item{"pk": str("a"), "v": num("-1E-131")}, "Number underflow. Attempting to store a number with magnitude smaller than supported range"},
	{"no number", item{"pk": str("a"), "v": num(" 1")}, "The parameter cannot be converted to a numeric value:  1"},
	{"NaN", item{"pk": str("a"), "v": num("NaN")}, "The parameter cannot be converted to a numeric value: NaN"},
	{"empty number", item{"pk": str("a"), "v": num("")}, "The parameter cannot be converted to a numeric value"},
}

// badPuts change a good PutItem into one that is refused.
var badPuts = []struct {
	name   string
	change func(*sdk.PutItemInput)
	text   string
}{
	{"table name", func(p *sdk.PutItemInput) { p.TableName = aws.String("bad table!@#") }, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
	{"return values", func(p *sdk.PutItemInput) { p.ReturnValues = "BAD" }, "Value 'BAD' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: ["},
	{"return values of an update", func(p *sdk.PutItemInput) { p.ReturnValues = "ALL_NEW" }, "ReturnValues can only be ALL_OLD or NONE"},
	{"capacity", func(p *sdk.PutItemInput) { p.ReturnConsumedCapacity = "BAD" }, "at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"},
	{"values without expression", func(p *sdk.PutItemInput) { p.ExpressionAttributeValues = item{":v": str("x")} }, "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"},
	{"names without expression", func(p *sdk.PutItemInput) { p.ExpressionAttributeNames = map[string]string{"#n": "x"} }, "ExpressionAttributeNames can only be specified when using expressions"},
	{"no values", func(p *sdk.PutItemInput) {
		p.ConditionExpression, p.ExpressionAttributeValues = aws.String("a = :v"), item{}
	}, "ExpressionAttributeValues must not be empty"},
	{"name of a value", func(p *sdk.PutItemInput) {
		p.ConditionExpression, p.ExpressionAttributeValues = aws.String("a = :v"), item{"v": str("x")}
	}, `ExpressionAttributeValues contains invalid key: Syntax error; key: "v"`},
	{"name of a name", func(p *sdk.PutItemInput) {
		p.ConditionExpression, p.ExpressionAttributeNames = aws.String("attribute_exists(#n)"), map[string]string{"#": "x"}
	}, `ExpressionAttributeNames contains invalid key: Syntax error; key: "#"`},
	{"wrong value", func(p *sdk.PutItemInput) {
		p.ConditionExpression, p.ExpressionAttributeValues = aws.String("a = :v"), item{":v": strs("a", "a")}
	}, "ExpressionAttributeValues contains invalid value: One or more parameter values were invalid: Input collection [a, a] contains duplicates. for key :v"},
	{"unused value", func(p *sdk.PutItemInput) {
		p.ConditionExpression, p.ExpressionAttributeValues = aws.String("a = :v"), item{":v": str("x"), ":w": str("x")}
	}, "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}"},
	{"unused name", func(p *sdk.PutItemInput) {
		p.ConditionExpression, p.ExpressionAttributeNames = aws.String("attribute_exists(pk)"), map[string]string{"#n": "x"}
	}, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#n}"},
}

func refusalChecks() []check {
	const invalid = "ValidationException"
	var all []check
	for _, c := range badItems {
		all = append(all, check{name: "PutItem_BadItem_" + c.name, run: func(t *testing.T, k *kit) {
			_, err := k.PutItem(k.ctx, &sdk.PutItemInput{TableName: &k.hash, Item: c.item})
			refused(t, err, invalid, c.text)
		}})
	}
	for _, c := range badPuts {
		all = append(all, check{name: "PutItem_Bad_" + c.name, run: func(t *testing.T, k *kit) {
			in := &sdk.PutItemInput{TableName: &k.hash, Item: item{"pk": str("a")}}
			c.change(in)
			_, err := k.PutItem(k.ctx, in)
			refused(t, err, invalid, c.text)
		}})
	}
	for _, c := range badGets {
		all = append(all, check{name: "GetItem_Bad_" + c.name, run: func(t *testing.T, k *kit) {
			in := &sdk.GetItemInput{TableName: &k.ranged, Key: c.key}
			if c.projection != "" {
				in.ProjectionExpression = &c.projection
			}
			_, err := k.GetItem(k.ctx, in)
			refused(t, err, invalid, c.text)
		}})
	}
	return all
}

// badGets are keys and projections that GetItem refuses.
var badGets = []struct {
	name, projection string
	key              item
	text             string
}{
	{"half a key", "", item{"pk": str("a")}, "The provided key element does not match the schema"},
	{"more than a key", "", item{"pk": str("a"), "sk": str("b"), "x": str("c")}, "The provided key element does not match the schema"},
	{"key of another type", "", item{"pk": str("a"), "sk": num("1")}, "The provided key element does not match the schema"},
	{"long range key", "", item{"pk": str("a"), "sk": str(strings.Repeat("x", 1025))}, "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"},
	{"projection", "!!! INVALID !!!", item{"pk": str("a"), "sk": str("b")}, `Invalid ProjectionExpression: Syntax error; token: "!", near: "!!"`},
	{"reserved word", "a, Status", item{"pk": str("a"), "sk": str("b")}, "Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: Status"},
	{"overlap", "a, b, a.c", item{"pk": str("a"), "sk": str("b")}, "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, c]"},
	{"conflict", "a.c, a[0]", item{"pk": str("a"), "sk": str("b")}, "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, c], path two: [a, [0]]"},
	{"undefined name", "#a", item{"pk": str("a"), "sk": str("b")}, "An expression attribute name used in the document path is not defined; attribute name: #a"},
}
