package dynamodb

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// conditionItem is what the conditions below are evaluated on.
var conditionItem = item{
	"pk": str("condition"), "one": num("1"), "ten": num("10"), "cat": str("cat"), "bytes": bin('c', 'a', 't'), "yes": boolean(true), "nil": null(),
	"tags": strs("a", "b"), "primes": nums("2", "3", "5"), "blobs": bins([]byte{1}, []byte{2}), "seq": list(num("1"), str("x"), nums("1", "2")),
	"obj": object(item{"x": num("1"), "y": list(num("-1"), num("2"))}),
}

var conditionValues = item{
	":one": num("1.0"), ":two": num("2"), ":nine": num("9"), ":hundred": num("1E2"), ":cat": str("cat"), ":ca": str("ca"), ":zebra": str("zebra"), ":b": bin('c', 'a'),
	":at": bin('a', 't'), ":yes": boolean(true), ":S": str("S"), ":N": str("N"), ":SS": str("SS"), ":NULL": str("NULL"), ":a": str("a"), ":three": num("3.00"),
	":blob": bin(2), ":tags": strs("b", "a"), ":x": str("x"), ":ns": nums("2", "1"), ":empty": object(item{}), ":string1": str("1"),
}

// conditionTruths are conditions and whether they hold.
var conditionTruths = map[string]bool{
	"one = :one": true, "one = :two": false, "one <> :two": true, "one <> :one": false, "one = :string1": false, "one <> :string1": true,
	"absent = :one": false, "absent <> :one": true, "absent <> absent2": true, "absent = absent2": false, "absent < :one": false, ":one > absent": false,
	"ten > :nine": true, "ten < :hundred": true, "ten >= :nine": true, "one <= :one": true, ":two > one": true, "one < ten": true,
	"cat < :zebra": true, "cat >= :cat": true, "cat < :nine": false, "seq < :nine": false, "yes = :yes": true, "tags = :tags": true,
	"bytes > :b": true, "ten BETWEEN :nine AND :hundred": true, "ten between :one and :two": false, "absent BETWEEN :one AND :two": false,
	":two BETWEEN one AND ten": true, "one IN (:two, :cat, :one)": true, "one IN (:two)": false, "absent IN (:one)": false, "one IN (ten, :one)": true,
	"attribute_exists(one)": true, "attribute_exists(absent)": false, "attribute_not_exists(absent)": true, "attribute_not_exists(one)": false,
	"attribute_exists(obj.x)": true, "attribute_exists(obj.z)": false, "attribute_exists(seq[2])": true, "attribute_exists(seq[3])": false,
	"attribute_exists(obj[0])": false, "attribute_exists(seq.x)": false, "attribute_exists(obj.y[1])": true, "attribute_exists (nil)": true,
	"obj.x < obj.y[1]": true, "obj.x < obj.y[0]": false, "#m.#x = :one": true,
	"attribute_type(cat, :S)": true, "attribute_type(cat, :N)": false, "attribute_type(tags, :SS)": true, "attribute_type(nil, :NULL)": true, "attribute_type(absent, :S)": false,
	"attribute_type(:two, :N)": true,
	"begins_with(cat, :ca)":    true, "begins_with(cat, :a)": false, "begins_with(bytes, :b)": true, "begins_with(one, :ca)": false, "begins_with(:cat, :ca)": true,
	"contains(cat, :a)": true, "contains(cat, :zebra)": false, "contains(bytes, :at)": true, "contains(tags, :a)": true, "contains(tags, :ca)": false,
	"contains(primes, :three)": true, "contains(primes, :nine)": false, "contains(blobs, :blob)": true, "contains(seq, :one)": true, "contains(seq, :x)": true,
	"contains(seq, :ns)": true, "contains(seq, :two)": false, "contains(one, :one)": false, "contains(absent, :a)": false,
	"size(cat) = :three": true, "size(primes) = :three": true, "size(obj) = :two": true, "size(seq) > :two": true, "size(bytes) >= :three": true,
	"size(one) = :one": false, "size(absent) = :one": false, "size(absent) <> :one": true, "size(tags) BETWEEN one AND ten": true, "size(cat) = :cat": false,
	"NOT one = :one": false, "NOT absent = :one": true, "nOt NOT one = :one": true, "NOT (one = :one AND ten = :one)": true, "not one = :two and ten = :two": false,
	"one = :two OR ten > :nine AND cat = :cat": true, "one = :one OR ten = :one AND cat = :zebra": true, "(one = :one OR ten = :one) AND cat = :zebra": false,
	"(one = :one) AND (ten > :nine)": true, "(one = :one AND (ten > :nine))": true, "(one) = (:one)": true, "(size(cat)) = :three": true,
	"one BETWEEN :one AND :two AND ten > :nine": true, "one=:one": true, "\tone\n=\r :one ": true, ":one = :one": true, "attribute_exists(nil)AND(one=:one)": true,
}

var conditionChecks = []check{
	{name: "Conditions_AreTrueOrFalse", run: func(t *testing.T, k *kit) {
		for condition, want := range conditionTruths {
			got, err := k.holds(conditionItem, condition, usedNames(condition), usedValues(condition))
			if err != nil || got != want {
				t.Errorf("%q: got %t, %v, want %t", condition, got, err, want)
			}
		}
	}},
	{name: "Conditions_OnAbsentItem_SeeNothing", run: func(t *testing.T, k *kit) {
		condition := "attribute_not_exists(pk) AND NOT a = :a AND b <> :a"
		_, err := k.DeleteItem(k.ctx, &sdk.DeleteItemInput{
			TableName: &k.hash, Key: item{"pk": str("nobody")}, ConditionExpression: &condition, ExpressionAttributeValues: item{":a": num("1")},
		})
		if err != nil {
			t.Error(err)
		}
	}},
	{name: "Conditions_ThatAreWrong_AreRefused", run: func(t *testing.T, k *kit) {
		for condition, want := range conditionRefusals {
			_, err := k.holds(conditionItem, condition, usedNames(condition), usedValues(condition))
			t.Run(condition, func(t *testing.T) { refused(t, err, "ValidationException", want) })
		}
	}},
}

// conditionRefusals are wrong conditions and what AWS says of them.
var conditionRefusals = map[string]string{
	"":                                   "Invalid ConditionExpression: The expression can not be empty;",
	"one":                                `Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "one"`,
	"one =":                              "Invalid ConditionExpression: Syntax error; ",
	"one = :one AND":                     "Invalid ConditionExpression: Syntax error; ",
	"one = :one :two":                    "Invalid ConditionExpression: Syntax error; ",
	"one IN ()":                          "Invalid ConditionExpression: Syntax error; ",
	"(one = :one":                        "Invalid ConditionExpression: Syntax error; ",
	"one ! :one":                         "Invalid ConditionExpression: Syntax error; ",
	"(one AND ten = :one)":               "Invalid ConditionExpression: Syntax error; ",
	"seq[x] = :one":                      "Invalid ConditionExpression: Syntax error; ",
	"((one = :one))":                     "Invalid ConditionExpression: The expression has redundant parentheses;",
	"((one)) = :one":                     "Invalid ConditionExpression: The expression has redundant parentheses;",
	"dog(one)":                           "Invalid ConditionExpression: Invalid function name; function: dog",
	"dog(one) = :one":                    "Invalid ConditionExpression: Invalid function name; function: dog",
	"Contains(cat, :a)":                  "Invalid ConditionExpression: Invalid function name; function: Contains",
	"if_not_exists(one, :one) = :one":    "not allowed in a condition expression; function: if_not_exists",
	"size(cat)":                          "The function is not allowed to be used this way in an expression; function: size",
	"NOT size(cat)":                      "The function is not allowed to be used this way in an expression; function: size",
	"attribute_exists(one) = :one":       "The function is not allowed to be used this way in an expression; function: attribute_exists",
	"contains(attribute_exists(one),:a)": "The function is not allowed to be used this way in an expression; function: attribute_exists",
	"status = :one":                      "Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: status",
	"obj.Name = :one":                    "Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: Name",
	"#nope = :one":                       "An expression attribute name used in the document path is not defined; attribute name: #nope",
	"one = :nope":                        "An expression attribute value used in expression is not defined; attribute value: :nope",
	"attribute_exists(one, ten)":         "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2",
	"size(cat, one) = :one":              "Incorrect number of operands for operator or function; operator or function: size, number of operands: 2",
	"one = one":                          "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [one]",
	"contains(obj.y[0], obj.y[0])":       "operator: contains, first operand: [obj, y, [0]]",
	"attribute_exists(:one)":             "Operator or function requires a document path; operator or function: attribute_exists",
	"one < :tags":                        "Incorrect operand type for operator or function; operator or function: <, operand type: SS",
	"one BETWEEN :yes AND :two":          "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {BOOL:",
	"one BETWEEN :tags AND :tags":        "Incorrect operand type for operator or function; operator or function: BETWEEN, operand type: SS",
	"one BETWEEN :one AND :cat":          "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:cat}",
	"one BETWEEN :two AND :one":          "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
	"begins_with(cat, :one)":             "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
	"size(:one) = :one":                  "Incorrect operand type for operator or function; operator or function: size, operand type: N",
	"attribute_type(cat, one)":           "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: {",
	"attribute_type(cat, :one)":          "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N",
	"attribute_type(cat, :cat)":          "Invalid attribute type name found; type: cat, valid types: {",
}

// usedNames and usedValues give what an expression refers to and no more, since AWS refuses what is not used.
func usedNames(expression string) map[string]string {
	all := map[string]string{"#m": "obj", "#x": "x"}
	names := map[string]string{}
	for _, t := range lex(expression) {
		if name, ok := all[t.text]; ok {
			names[t.text] = name
		}
	}
	if len(names) == 0 {
		return nil
	}
	return names
}

func usedValues(expression string) item {
	values := item{}
	for _, t := range lex(expression) {
		if v, ok := conditionValues[t.text]; ok {
			values[t.text] = v
		}
	}
	if len(values) == 0 {
		return nil
	}
	return values
}
