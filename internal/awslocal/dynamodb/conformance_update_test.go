package dynamodb

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// updateItem is what the updates below are done to; its key is added.
func updateItem() item {
	return item{
		"n": num("5"), "s": str("text"), "tags": strs("a", "b"), "primes": nums("2", "3"), "l": list(str("0"), str("1"), str("2"), str("3")),
		"m": object(item{"n": num("1"), "deep": object(item{"x": str("y")}), "l": list(num("1"))}), "yes": boolean(true),
	}
}

var updateNames = map[string]string{"#n": "n", "#m": "m", "#new": "a name"}

var updateValues = item{
	":1": num("1"), ":2": num("2.50"), ":s": str("other"), ":ab": strs("b", "c"), ":all": strs("b", "a"), ":p": nums("3.0", "5"), ":l": list(str("x"), num("1")),
	":none": list(), ":m": object(item{"k": str("v")}), ":b": bin(1), ":yes": boolean(true), ":null": null(), ":big": num("9E125"), ":tiny": num("1E-130"),
}

// update makes the input of an update of one item, with what the expressions use and no more.
func update(table, pk, expression, condition string) *sdk.UpdateItemInput {
	in := &sdk.UpdateItemInput{TableName: &table, Key: item{"pk": str(pk)}}
	if expression != "" {
		in.UpdateExpression = &expression
	}
	if condition != "" {
		in.ConditionExpression = &condition
	}
	for _, t := range lex(expression + " " + condition) {
		if v, ok := updateValues[t.text]; ok {
			if in.ExpressionAttributeValues == nil {
				in.ExpressionAttributeValues = item{}
			}
			in.ExpressionAttributeValues[t.text] = v
		}
		if v, ok := updateNames[t.text]; ok {
			if in.ExpressionAttributeNames == nil {
				in.ExpressionAttributeNames = map[string]string{}
			}
			in.ExpressionAttributeNames[t.text] = v
		}
	}
	return in
}

// with gives an item with some attributes changed, and those that are nil taken away.
func with(i, changes item) item {
	for name, v := range changes {
		if i[name] = v; v == nil {
			delete(i, name)
		}
	}
	return i
}

// updates are update expressions and what they change.
var updates = map[string]item{
	"SET n = :1":                {"n": num("1")},
	"SET a = :s, #new = :m":     {"a": str("other"), "a name": object(item{"k": str("v")})},
	"SET n = n + :2":            {"n": num("7.5")},
	"SET n = :1 - n":            {"n": num("-4")},
	"SET n = (n + :1)":          {"n": num("6")},
	"SET a = (n) - (:2), b = s": {"a": num("2.5"), "b": str("text")},
	"SET n = s, s = n":          {"n": str("text"), "s": num("5")},
	"SET a = if_not_exists(a, :1), n = if_not_exists(n, :1)": {"a": num("1")},
	"SET a = if_not_exists(a, :1) + :2":                      {"a": num("3.5")},
	"SET a = if_not_exists(a, if_not_exists(b, n))":          {"a": num("5")},
	"SET l = list_append(l, :l)":                             {"l": list(str("0"), str("1"), str("2"), str("3"), str("x"), num("1"))},
	"SET a = list_append(:l, if_not_exists(a, :none))":       {"a": list(str("x"), num("1"))},
	"SET l[1] = :s, l[9] = :1, l[7] = :2":                    {"l": list(str("0"), str("other"), str("2"), str("3"), num("2.5"), num("1"))},
	"SET a = l[3], l[0] = m.#n":                              {"a": str("3"), "l": list(num("1"), str("1"), str("2"), str("3"))},
	"SET m.#n = m.#n + :1, #m.deep.z = :s":                   {"m": object(item{"n": num("2"), "deep": object(item{"x": str("y"), "z": str("other")}), "l": list(num("1"))})},
	"SET m.l[0] = :2":                                        {"m": object(item{"n": num("1"), "deep": object(item{"x": str("y")}), "l": list(num("2.5"))})},
	"REMOVE n, absent, m.deep, m.absent, l[12]":              {"n": nil, "m": object(item{"n": num("1"), "l": list(num("1"))})},
	"REMOVE l[0], l[2]":                                      {"l": list(str("1"), str("3"))},
	"REMOVE l[0] SET l[1] = :s":                              {"l": list(str("other"), str("2"), str("3"))},
	"remove l[0],l[1],l[2],l[3]":                             {"l": list()},
	"ADD n :2, a :1":                                         {"n": num("7.5"), "a": num("1")},
	"ADD tags :ab, primes :p, more :ab":                      {"tags": strs("a", "b", "c"), "primes": nums("2", "3", "5"), "more": strs("b", "c")},
	"ADD m.#n :1, m.z :1":                                    {"m": object(item{"n": num("2"), "z": num("1"), "deep": object(item{"x": str("y")}), "l": list(num("1"))})},
	"DELETE tags :ab, primes :p, absent :ab":                 {"tags": strs("a"), "primes": nums("2")},
	"DELETE tags :all":                                       {"tags": nil},
	"DELETE tags :ab ADD n :1 REMOVE s SET a = s":            {"tags": strs("a"), "n": num("6"), "s": nil, "a": str("text")},
	"SET yes = :null":                                        {"yes": null()},
	"SET n=:1\n\t,s=:s REMOVE\rl":                            {"n": num("1"), "s": str("other"), "l": nil},
}

// updateRefusals are wrong updates of the same item and what AWS says of them.
var updateRefusals = map[string]string{
	"INVALID SYNTAX HERE":             `Invalid UpdateExpression: Syntax error; token: "INVALID", near: "INVALID SYNTAX"`,
	"SET":                             `Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "SET"`,
	"SET a":                           `Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "a"`,
	"SET a = :s, b = :l SET":          "Invalid UpdateExpression: Syntax error; ",
	"SET a = :1 + :2 + :1":            `Invalid UpdateExpression: Syntax error; token: "+", near: ":2 + :1"`,
	"SET a = ":                        "Invalid UpdateExpression: Syntax error; ",
	"SET a = :1 REMOVE :1":            "Invalid UpdateExpression: Syntax error; ",
	"SET a = if_not_exists(a, n + n)": "Invalid UpdateExpression: Syntax error; ",
	"ADD n n":                         "Invalid UpdateExpression: Syntax error; ",
	"DELETE tags = :ab":               "Invalid UpdateExpression: Syntax error; ",
	"SET set = :1":                    "Invalid UpdateExpression: Syntax error; ",
	"SET a = :1 SET b = :2":           `Invalid UpdateExpression: The "SET" section can only be used once in an update expression;`,
	"SET status = :1":                 "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: status",
	"SET a = dog(n)":                  "Invalid UpdateExpression: Invalid function name; function: dog",
	"SET a = size(n)":                 "Invalid UpdateExpression: The function is not allowed in an update expression; function: size",
	"SET a = if_not_exists(a)":        "Invalid UpdateExpression: Incorrect number of operands for operator or function; operator or function: if_not_exists, number of operands: 1",
	"SET a = if_not_exists(:1, :2)":   "Invalid UpdateExpression: Operator or function requires a document path; operator or function: if_not_exists",
	"SET a = list_append(l, :1)":      "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: list_append, operand type: N",
	"SET a = n + :s":                  "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: +, operand type: S",
	"ADD n :s":                        "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: STRING",
	"ADD n :l":                        "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: LIST",
	"DELETE tags :1":                  "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER",
	"SET a = :nope":                   "Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute value: :nope",
	"SET #nope = :1":                  "Invalid UpdateExpression: An expression attribute name used in the document path is not defined; attribute name: #nope",
	"SET a = :1, a = :2":              "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]",
	"SET n = :1 REMOVE #n":            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [n], path two: [n]",
	"SET m.deep.x = :1 ADD m :ab":     "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [m, deep, x], path two: [m]",
	"SET a.b = :1, a[0] = :1":         "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a, [0]]",
	"SET pk = :s":                     "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
	"REMOVE pk":                       "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
	"SET pk.x = :s":                   "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
	"SET a = absent":                  "The provided expression refers to an attribute that does not exist in the item",
	"SET a = absent + :1":             "The provided expression refers to an attribute that does not exist in the item",
	"SET a = s + :1":                  "An operand in the update expression has an incorrect data type",
	"SET a = list_append(s, :l)":      "An operand in the update expression has an incorrect data type",
	"ADD s :1":                        "An operand in the update expression has an incorrect data type",
	"ADD tags :p":                     "An operand in the update expression has an incorrect data type",
	"DELETE primes :ab":               "An operand in the update expression has an incorrect data type",
	"SET absent.x = :1":               "The document path provided in the update expression is invalid for update",
	"SET s.x = :1":                    "The document path provided in the update expression is invalid for update",
	"SET m[0] = :1":                   "The document path provided in the update expression is invalid for update",
	"REMOVE absent.x":                 "The document path provided in the update expression is invalid for update",
	"SET l[9].x = :1":                 "The document path provided in the update expression is invalid for update",
	"SET a = :big + :big":             "Number overflow. Attempting to store a number with magnitude larger than supported range",
}

var updateChecks = []check{
	{name: "UpdateItem_ChangesWhatItSays", run: func(t *testing.T, k *kit) {
		for expression, changes := range updates {
			k.put(t, k.hash, with(updateItem(), item{"pk": str("update")}))
			if _, err := k.UpdateItem(k.ctx, update(k.hash, "update", expression, "")); err != nil {
				t.Errorf("%q: %v", expression, err)
				continue
			}
			same(t, expression, k.get(t, k.hash, item{"pk": str("update")}), with(with(updateItem(), item{"pk": str("update")}), changes))
		}
	}},
	{name: "UpdateItem_ThatIsWrong_IsRefused_AndChangesNothing", run: func(t *testing.T, k *kit) {
		was := with(updateItem(), item{"pk": str("unchanged")})
		k.put(t, k.hash, was)
		for expression, want := range updateRefusals {
			_, err := k.UpdateItem(k.ctx, update(k.hash, "unchanged", expression, ""))
			t.Run(expression, func(t *testing.T) { refused(t, err, "ValidationException", want) })
		}
		same(t, "item", k.get(t, k.hash, item{"pk": str("unchanged")}), was)
	}},
	{name: "UpdateItem_EmptyExpression_IsRefused", run: func(t *testing.T, k *kit) {
		in := update(k.hash, "a", "", "")
		in.UpdateExpression = aws.String("")
		_, err := k.UpdateItem(k.ctx, in)
		refused(t, err, "ValidationException", "Invalid UpdateExpression: The expression can not be empty;")
		in = update(k.hash, "a", "", "")
		in.ExpressionAttributeValues = item{":1": num("1")}
		_, err = k.UpdateItem(k.ctx, in)
		refused(t, err, "ValidationException", "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are null")
	}},
	{name: "UpdateItem_NoItem_MakesOne", run: func(t *testing.T, k *kit) {
		for pk, c := range map[string]struct {
			expression string
			want       item
		}{
			"made by none":   {"", item{}},
			"made by set":    {"SET n = :1", item{"n": num("1")}},
			"made by add":    {"ADD n :1, tags :ab", item{"n": num("1"), "tags": strs("b", "c")}},
			"made by remove": {"REMOVE n", item{}},
			"made by delete": {"DELETE tags :ab", item{}},
		} {
			if _, err := k.UpdateItem(k.ctx, update(k.hash, pk, c.expression, "")); err != nil {
				t.Error(err)
			}
			same(t, pk, k.get(t, k.hash, item{"pk": str(pk)}), with(c.want, item{"pk": str(pk)}))
		}
	}},
	{name: "UpdateItem_ReturnValues_AreWhatWasAsked", run: func(t *testing.T, k *kit) {
		old := item{"pk": str("returned"), "n": num("1"), "s": str("x"), "m": object(item{"a": num("1"), "b": num("2")})}
		const expression = "SET n = n + :1, m.a = :s, fresh = :1 REMOVE s"
		for values, want := range map[types.ReturnValue]item{
			"": nil, "NONE": nil, "ALL_OLD": old,
			"ALL_NEW":     {"pk": str("returned"), "n": num("2"), "m": object(item{"a": str("other"), "b": num("2")}), "fresh": num("1")},
			"UPDATED_OLD": {"n": num("1"), "s": str("x"), "m": object(item{"a": num("1")})},
			"UPDATED_NEW": {"n": num("2"), "m": object(item{"a": str("other")}), "fresh": num("1")},
		} {
			k.put(t, k.hash, old)
			in := update(k.hash, "returned", expression, "")
			in.ReturnValues = values
			out, err := k.UpdateItem(k.ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			same(t, string(values), out.Attributes, want)
		}
		in := update(k.hash, "returned afresh", "SET n = :1", "")
		in.ReturnValues = types.ReturnValueAllOld
		if out, err := k.UpdateItem(k.ctx, in); err != nil || out.Attributes != nil {
			t.Errorf("of no item: %v, %v", out, err)
		}
	}},
	{name: "UpdateItem_ConditionFails_ReturnsOldOnRequest", run: func(t *testing.T, k *kit) {
		old := item{"pk": str("held"), "n": num("1")}
		k.put(t, k.hash, old)
		in := update(k.hash, "held", "SET n = :2", "n = :2")
		in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
		_, err := k.UpdateItem(k.ctx, in)
		failed := new(types.ConditionalCheckFailedException)
		if !errors.As(err, &failed) {
			t.Fatal(err)
		}
		same(t, "returned", failed.Item, old)
		same(t, "item", k.get(t, k.hash, item{"pk": str("held")}), old)
		if _, err := k.UpdateItem(k.ctx, update(k.hash, "held", "SET n = :2", "n = :1")); err != nil {
			t.Error(err)
		}
	}},
	{name: "UpdateItem_CostsTheLargerItem", run: func(t *testing.T, k *kit) {
		k.put(t, k.hash, item{"pk": str("costs"), "v": str(strings.Repeat("x", 2500))})
		for _, expression := range []string{"SET n = :1", "REMOVE v"} {
			in := update(k.hash, "costs", expression, "")
			in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
			out, err := k.UpdateItem(k.ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			same(t, expression, out.ConsumedCapacity, &types.ConsumedCapacity{TableName: &k.hash, CapacityUnits: aws.Float64(3)})
		}
	}},
	{name: "UpdateItem_GrowsTooLarge_IsRefused", run: func(t *testing.T, k *kit) {
		k.put(t, k.hash, item{"pk": str("grows"), "v": str(strings.Repeat("x", 300<<10))})
		in := update(k.hash, "grows", "SET w = v", "")
		_, err := k.UpdateItem(k.ctx, in)
		refused(t, err, "ValidationException", "Item size to update has exceeded the maximum allowed size")
	}},
	{name: "Transact_Update_IsOneOfItsActions", run: func(t *testing.T, k *kit) {
		k.put(t, k.hash, item{"pk": str("tx-update"), "n": num("1")})
		act := func(pk, expression, condition string) types.TransactWriteItem {
			in := update(k.hash, pk, expression, condition)
			return types.TransactWriteItem{Update: &types.Update{
				TableName: in.TableName, Key: in.Key, UpdateExpression: in.UpdateExpression, ConditionExpression: in.ConditionExpression,
				ExpressionAttributeNames: in.ExpressionAttributeNames, ExpressionAttributeValues: in.ExpressionAttributeValues,
			}}
		}
		out, err := k.transact(act("tx-update", "ADD n :2", "n = :1"), act("tx-update-new", "SET #n = :1", "attribute_not_exists(pk)"))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "units", out.ConsumedCapacity, []types.ConsumedCapacity{{TableName: &k.hash, CapacityUnits: aws.Float64(4), WriteCapacityUnits: aws.Float64(4)}})
		same(t, "changed", k.get(t, k.hash, item{"pk": str("tx-update")}), item{"pk": str("tx-update"), "n": num("3.5")})
		same(t, "made", k.get(t, k.hash, item{"pk": str("tx-update-new")}), item{"pk": str("tx-update-new"), "n": num("1")})
		_, err = k.transact(act("tx-update", "SET n = :1", ""), act("tx-update-new", "SET n = :2", "n = :2"))
		cancelled(t, err, reasonNone, reasonFailed)
		_, err = k.transact(act("tx-update", "SET a = absent", ""))
		cancelled(t, err, types.CancellationReason{
			Code: aws.String("ValidationError"), Message: aws.String("The provided expression refers to an attribute that does not exist in the item"),
		})
		same(t, "unchanged", k.get(t, k.hash, item{"pk": str("tx-update")}), item{"pk": str("tx-update"), "n": num("3.5")})
		_, err = k.transact(types.TransactWriteItem{Update: &types.Update{TableName: &k.hash, Key: item{"pk": str("a")}, UpdateExpression: aws.String("SET pk = a")}})
		cancelled(t, err, types.CancellationReason{
			Code:    aws.String("ValidationError"),
			Message: aws.String("One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"),
		})
	}},
}
