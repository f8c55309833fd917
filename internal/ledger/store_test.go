package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// store is a table in memory that takes the calls which the ledger makes, with DynamoDB's atomicity and conditions.
// The wire tests hold the same ledger against the local endpoint's DynamoDB.
type store struct {
	mu         sync.Mutex
	partitions map[string]*partitionItems
	now        func() time.Time // for TTL: items are gone as soon as they may be
	// ignoreConditions takes the conditions out, to show that they matter.
	ignoreConditions bool
	// pageItems is how many items a page of Query holds; 0: all.
	pageItems int
	// stale is how many of the newest items of a partition an eventually consistent Query does not see.
	stale int
	// refuse makes a transaction that holds an item for which it is true a ValidationException.
	refuse func(item) bool
}

type partitionItems struct {
	keys  []string // sorted
	items map[string]item
}

func newStore() *store { return &store{partitions: map[string]*partitionItems{}, now: time.Now} }

func (s *store) get(pk, sk string) item {
	p := s.partitions[pk]
	if p == nil {
		return nil
	}
	i := p.items[sk]
	if n, ok := i[attrExpires].(*types.AttributeValueMemberN); ok && n.Value <= fmt.Sprint(s.now().Unix()) {
		return nil
	}
	return i
}

func (s *store) put(i item) {
	pk, sk := stringOf(i[attrPK]), stringOf(i[attrSK])
	p := s.partitions[pk]
	if p == nil {
		p = &partitionItems{items: map[string]item{}}
		s.partitions[pk] = p
	}
	if p.items[sk] == nil {
		at, _ := slices.BinarySearch(p.keys, sk)
		p.keys = slices.Insert(p.keys, at, sk)
	}
	p.items[sk] = i
}

func stringOf(v types.AttributeValue) string {
	s, _ := v.(*types.AttributeValueMemberS)
	return s.Value
}

// holds evaluates the two conditions that the ledger uses.
func (s *store) holds(condition *string, values item, i item) bool {
	old := s.get(stringOf(i[attrPK]), stringOf(i[attrSK]))
	switch {
	case condition == nil || s.ignoreConditions:
		return true
	case *condition == absent:
		return old == nil
	case *condition == "id = :id":
		return old != nil && stringOf(old[attrSetID]) == stringOf(values[":id"])
	case *condition == unchanged:
		seen, _ := values[":seen"].(*types.AttributeValueMemberN)
		now, ok := old[attrVersion].(*types.AttributeValueMemberN)
		return ok && now.Value == seen.Value
	}
	panic("the store does not know the condition " + *condition)
}

func (s *store) PutItem(_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.holds(in.ConditionExpression, in.ExpressionAttributeValues, in.Item) {
		return nil, &types.ConditionalCheckFailedException{}
	}
	s.put(in.Item)
	return &dynamodb.PutItemOutput{}, nil
}

func (s *store) DeleteItem(_ context.Context, in *dynamodb.DeleteItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.holds(in.ConditionExpression, in.ExpressionAttributeValues, in.Key) {
		return nil, &types.ConditionalCheckFailedException{}
	}
	pk, sk := stringOf(in.Key[attrPK]), stringOf(in.Key[attrSK])
	if p := s.partitions[pk]; p != nil && p.items[sk] != nil {
		delete(p.items, sk)
		p.keys = slices.DeleteFunc(slices.Clone(p.keys), func(k string) bool { return k == sk })
	}
	return &dynamodb.DeleteItemOutput{}, nil
}

func (s *store) TransactWriteItems(_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(in.TransactItems); n == 0 || n > 100 {
		return nil, apiError{"ValidationException", fmt.Sprint(n, " actions")}
	}
	reasons := make([]types.CancellationReason, len(in.TransactItems))
	failed := false
	touched := make(map[[2]string]bool, len(reasons))
	for n, t := range in.TransactItems {
		k := [2]string{stringOf(t.Put.Item[attrPK]), stringOf(t.Put.Item[attrSK])}
		if touched[k] || s.refuse != nil && s.refuse(t.Put.Item) {
			return nil, apiError{"ValidationException", "refused"}
		}
		touched[k] = true
		reasons[n].Code = aws.String("None")
		if !s.holds(t.Put.ConditionExpression, t.Put.ExpressionAttributeValues, t.Put.Item) {
			reasons[n].Code = aws.String("ConditionalCheckFailed")
			failed = true
		}
	}
	if failed {
		return nil, &types.TransactionCanceledException{CancellationReasons: reasons}
	}
	for _, t := range in.TransactItems {
		s.put(t.Put.Item)
	}
	return &dynamodb.TransactWriteItemsOutput{}, nil
}

func (s *store) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]map[string]types.AttributeValue{}}
	for table, asked := range in.RequestItems {
		for _, k := range asked.Keys {
			if i := s.get(stringOf(k[attrPK]), stringOf(k[attrSK])); i != nil {
				out.Responses[table] = append(out.Responses[table], i)
			}
		}
	}
	return out, nil
}

func (s *store) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pk, sk := stringOf(in.ExpressionAttributeValues[":pk"]), ""
	if v, ok := in.ExpressionAttributeValues[":sk"]; ok {
		sk = stringOf(v)
	}
	out := &dynamodb.QueryOutput{}
	p := s.partitions[pk]
	if p == nil {
		return out, nil
	}
	keys := p.keys
	if !aws.ToBool(in.ConsistentRead) {
		keys = keys[:max(0, len(keys)-s.stale)]
	}
	from := sk
	if in.ExclusiveStartKey != nil {
		from = max(from, stringOf(in.ExclusiveStartKey[attrSK]))
	}
	for _, k := range keys {
		if *in.KeyConditionExpression == prefixOnly && (len(k) < len(sk) || k[:len(sk)] != sk) || k <= from && from != "" {
			continue
		}
		if s.pageItems > 0 && len(out.Items) == s.pageItems {
			out.LastEvaluatedKey = key(pk, stringOf(out.Items[len(out.Items)-1][attrSK]))
			break
		}
		if i := s.get(pk, k); i != nil {
			out.Items = append(out.Items, i)
		}
	}
	return out, nil
}

// keysWith lists all keys of the table that begin with a prefix.
func (s *store) keysWith(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, pk := range slices.Sorted(maps.Keys(s.partitions)) {
		if len(pk) >= len(prefix) && pk[:len(prefix)] == prefix {
			for _, sk := range s.partitions[pk].keys {
				out = append(out, pk+" "+sk)
			}
		}
	}
	return out
}

// apiError is an error of the service's as the SDK gives it.
type apiError struct{ code, message string }

func (e apiError) Error() string        { return e.code + ": " + e.message }
func (e apiError) ErrorCode() string    { return e.code }
func (e apiError) ErrorMessage() string { return e.message }
func (e apiError) HTTPStatusCode() int  { return statusFor[e.code] }

// ErrorFault tells nothing here.
func (e apiError) ErrorFault() smithy.ErrorFault { return smithy.FaultUnknown }

var statusFor = map[string]int{"InternalServerError": 500, "ValidationException": 400, "ThrottlingException": 400, "AccessDeniedException": 400}
