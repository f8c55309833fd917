package dynamodb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

type keySchemaElement struct {
	AttributeName string
	KeyType       string
}

type attributeDefinition struct {
	AttributeName string
	AttributeType string
}

type throughput struct {
	NumberOfDecreasesToday int64
	ReadCapacityUnits      int64
	WriteCapacityUnits     int64
}

type sseSpecification struct {
	Enabled        *bool
	SSEType        string
	KMSMasterKeyId string
}

type streamSpecification struct {
	StreamEnabled  bool
	StreamViewType string `json:",omitzero"`
}

// createTableInput has no member for what changes nothing here and is not described: tags, resource policies,
// warm throughput.
type createTableInput struct {
	TableName                 *string
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keySchemaElement
	BillingMode               string
	ProvisionedThroughput     *throughput
	SSESpecification          *sseSpecification
	StreamSpecification       *streamSpecification
	TableClass                string
	DeletionProtectionEnabled bool
	GlobalSecondaryIndexes    jsontext.Value
	LocalSecondaryIndexes     jsontext.Value
}

type billingModeSummary struct {
	BillingMode                       string
	LastUpdateToPayPerRequestDateTime float64
}

type sseDescription struct {
	Status          string
	SSEType         string
	KMSMasterKeyArn string `json:",omitzero"`
}

type tableClassSummary struct {
	TableClass string
}

// tableDescription is a table as DescribeTable gives it. Only the counts change after the table was created.
type tableDescription struct {
	TableName                 string
	TableStatus               string
	TableArn                  string
	TableId                   string
	CreationDateTime          float64 // seconds since 1970
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keySchemaElement
	BillingModeSummary        *billingModeSummary `json:",omitzero"`
	ProvisionedThroughput     throughput
	SSEDescription            *sseDescription    `json:",omitzero"`
	TableClassSummary         *tableClassSummary `json:",omitzero"`
	DeletionProtectionEnabled bool
	ItemCount                 int
	TableSizeBytes            int64
}

type tableOutput struct {
	TableDescription *tableDescription
}

type describeTableOutput struct {
	Table *tableDescription
}

type tableInput struct {
	TableName *string
}

const (
	billedPerRequest = "PAY_PER_REQUEST"
	provisioned      = "PROVISIONED"
)

// keyTypes are the types of a key schema's first and second element.
var keyTypes = []string{"HASH", "RANGE"}

func (s *Service) createTable(_ context.Context, in *createTableInput) (*tableOutput, error) {
	d, err := s.create(in)
	return &tableOutput{d}, err
}

func (s *Service) create(in *createTableInput) (*tableDescription, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	t := &table{
		schema:      in.schema(),
		description: s.describe(in),
		partitions:  map[string]*partition{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables[*in.TableName] != nil {
		return nil, wire.Errorf("ResourceInUseException", "Table already exists: %s", *in.TableName)
	}
	s.tables[*in.TableName] = t
	return t.describe(), nil
}

// check checks everything that AWS checks of a table without indexes.
func (in *createTableInput) check() error {
	if in.TableName == nil {
		return invalid("The parameter 'TableName' is required but was not present in the request")
	}
	var v violations
	v.tableName(optional{*in.TableName, true}, minTableName)
	in.checkMembers(&v)
	if err := v.Err(); err != nil {
		return err
	}
	switch {
	case !empty(in.GlobalSecondaryIndexes) || !empty(in.LocalSecondaryIndexes):
		return notImplemented("secondary indexes")
	case in.StreamSpecification != nil && in.StreamSpecification.StreamEnabled:
		return notImplemented("streams")
	}
	if err := in.checkBilling(); err != nil {
		return err
	}
	return in.checkSchema()
}

// empty tells whether a JSON array is absent, null or has no elements.
func empty(v jsontext.Value) bool { return len(v) <= len("[]") || v.Kind() == 'n' }

func (in *createTableInput) checkMembers(v *violations) {
	v.required(in.AttributeDefinitions != nil, "attributeDefinitions")
	v.required(in.KeySchema != nil, "keySchema")
	for i, a := range in.AttributeDefinitions {
		v.oneOf(optional{a.AttributeType, true}, fmt.Sprintf("attributeDefinitions.%d.member.attributeType", i+1), "B", "N", "S")
	}
	if n := len(in.KeySchema); in.KeySchema != nil && n == 0 {
		v.TooShort("'[]'", "keySchema", 1)
	} else if n > len(keyTypes) {
		var all []string
		for _, k := range in.KeySchema {
			all = append(all, fmt.Sprintf("KeySchemaElement(attributeName=%s, keyType=%s)", k.AttributeName, k.KeyType))
		}
		v.TooLong("'["+strings.Join(all, ", ")+"]'", "keySchema", len(keyTypes))
	}
	for i, k := range in.KeySchema {
		v.oneOf(optional{k.KeyType, true}, fmt.Sprintf("keySchema.%d.member.keyType", i+1), keyTypes...)
	}
	v.oneOf(optional{in.BillingMode, in.BillingMode != ""}, "billingMode", provisioned, billedPerRequest)
}

func (in *createTableInput) checkBilling() error {
	const bad = "One or more parameter values were invalid: "
	p := in.ProvisionedThroughput
	switch {
	case in.BillingMode == billedPerRequest && p != nil:
		return invalid(bad + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case in.BillingMode != billedPerRequest && (p == nil || p.ReadCapacityUnits == 0 || p.WriteCapacityUnits == 0):
		return invalid(bad + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	}
	return nil
}

func (in *createTableInput) checkSchema() error {
	var keys, defined []string
	for _, k := range in.KeySchema {
		keys = append(keys, k.AttributeName)
	}
	for _, a := range in.AttributeDefinitions {
		defined = append(defined, a.AttributeName)
	}
	if len(keys) > len(defined) {
		return invalid("Invalid KeySchema: Some index key attribute have no definition")
	}
	for i, k := range in.KeySchema {
		switch {
		case !slices.Contains(defined, k.AttributeName):
			return invalid("One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]",
				strings.Join(keys, ", "), strings.Join(defined, ", "))
		case i > 0 && keys[0] == keys[1]:
			return invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
		case k.KeyType != keyTypes[i]:
			return invalid("Invalid KeySchema: The %s KeySchemaElement is not a %s key type", [...]string{"first", "second"}[i], keyTypes[i])
		}
	}
	if len(keys) != len(defined) {
		return invalid("One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return nil
}

func (in *createTableInput) schema() []keyAttribute {
	var all []keyAttribute
	for i, k := range in.KeySchema {
		for _, a := range in.AttributeDefinitions {
			if a.AttributeName == k.AttributeName {
				all = append(all, keyAttribute{a.AttributeName, kindOf(a.AttributeType), [...]int{maxHashKey, maxRangeKey}[i]})
				break
			}
		}
	}
	return all
}

func (s *Service) describe(in *createTableInput) tableDescription {
	created := float64(s.opt.Now().UnixMilli()) / 1000
	d := tableDescription{
		TableName:                 *in.TableName,
		TableStatus:               "ACTIVE",
		TableArn:                  fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s", s.opt.Region, s.opt.Account, *in.TableName),
		TableId:                   wire.NewID(),
		CreationDateTime:          created,
		AttributeDefinitions:      in.AttributeDefinitions,
		KeySchema:                 in.KeySchema,
		DeletionProtectionEnabled: in.DeletionProtectionEnabled,
	}
	if in.BillingMode == billedPerRequest {
		d.BillingModeSummary = &billingModeSummary{billedPerRequest, created}
	}
	if in.ProvisionedThroughput != nil {
		d.ProvisionedThroughput = *in.ProvisionedThroughput
	}
	if sse := in.SSESpecification; sse != nil && sse.Enabled != nil && *sse.Enabled {
		d.SSEDescription = &sseDescription{Status: "ENABLED", SSEType: "KMS", KMSMasterKeyArn: sse.KMSMasterKeyId}
	}
	if in.TableClass != "" {
		d.TableClassSummary = &tableClassSummary{in.TableClass}
	}
	return d
}

// describe gives the description as it is now.
func (t *table) describe() *tableDescription {
	d := t.description
	d.ItemCount, d.TableSizeBytes = t.items, t.bytes
	return &d
}

// checkName checks the one member of an operation on a table.
func (in *tableInput) checkName() (string, error) {
	if in.TableName == nil {
		return "", invalid("The parameter 'TableName' is required but was not present in the request")
	}
	var v violations
	v.tableName(optional{*in.TableName, true}, 1)
	return *in.TableName, v.Err()
}

// named finds a table for an operation on tables. The lock is held.
func (s *Service) named(name string) (*table, error) {
	if t := s.tables[name]; t != nil {
		return t, nil
	}
	return nil, wire.Errorf("ResourceNotFoundException", "Requested resource not found: Table: %s not found", name)
}

func (s *Service) describeTable(_ context.Context, in *tableInput) (*describeTableOutput, error) {
	name, err := in.checkName()
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, err := s.named(name)
	if err != nil {
		return nil, err
	}
	return &describeTableOutput{t.describe()}, nil
}

func (s *Service) deleteTable(_ context.Context, in *tableInput) (*tableOutput, error) {
	name, err := in.checkName()
	if err != nil {
		return nil, err
	}
	d, err := s.drop(name)
	return &tableOutput{d}, err
}

func (s *Service) drop(name string) (*tableDescription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.named(name)
	switch {
	case err != nil:
		return nil, err
	case t.description.DeletionProtectionEnabled:
		return nil, invalid("1 validation error detected: Table '%s' can't be deleted while DeletionProtectionEnabled is set to True", name)
	}
	d := t.describe()
	d.TableStatus = "DELETING"
	t.dropped, t.partitions = true, nil
	delete(s.tables, name)
	return d, nil
}

type listTablesInput struct {
	ExclusiveStartTableName string
	Limit                   *int
}

type listTablesOutput struct {
	TableNames             []string
	LastEvaluatedTableName string `json:",omitzero"`
}

// maxListed is the most table names a page has (API reference).
const maxListed = 100

func (s *Service) listTables(_ context.Context, in *listTablesInput) (*listTablesOutput, error) {
	var v violations
	v.within(in.Limit, "limit", 1, maxListed)
	if err := v.Err(); err != nil {
		return nil, err
	}
	limit := maxListed
	if in.Limit != nil {
		limit = *in.Limit
	}
	s.mu.RLock()
	names := slices.Sorted(maps.Keys(s.tables))
	s.mu.RUnlock()
	names = slices.DeleteFunc(names, func(n string) bool { return n <= in.ExclusiveStartTableName })
	if len(names) <= limit {
		return &listTablesOutput{TableNames: names}, nil
	}
	return &listTablesOutput{TableNames: names[:limit], LastEvaluatedTableName: names[limit-1]}, nil
}
