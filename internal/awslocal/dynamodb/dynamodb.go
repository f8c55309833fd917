// Package dynamodb is the local AWS endpoint's DynamoDB: the subset that Millrace and its tests use, exact to AWS's
// answers, refusals and capacity units, in memory.
//
// It has tables with a hash key or a hash and a range key, time to live, GetItem, BatchGetItem, PutItem, UpdateItem,
// DeleteItem, BatchWriteItem, Query, Scan and TransactWriteItems with the whole grammar of conditions and updates. It has
// no secondary indexes and no streams, and none of the parameters that expressions replaced in 2014; a request for one
// of these is answered NotImplemented.
//
// Texts of errors and rules that AWS does not document come from what public projects have recorded against AWS:
// nubo-db/dynamodb-conformance (2026), getmoto/moto's aws_verified tests, ScyllaDB's Alternator tests, architect/dynalite.
//
// One lock guards all tables. Requests are decoded, checked and measured before it is taken and answers are written
// after it is released, so a transaction of a hundred actions holds it for less than a tenth of a millisecond; that makes
// every write, and every transaction, take effect at one moment. TransactionConflict therefore never arises by itself: a
// fault of kind Partial asks for it.
package dynamodb

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Options are a service's settings. The zero value will do.
type Options struct {
	Region  string // in ARNs; default us-east-1
	Account string // in ARNs; default 000000000000
	// Now is the clock; default time.Now. An item is gone the moment it expires; on AWS that takes up to a few days.
	Now func() time.Time
}

// Service holds tables. It is safe for concurrent use.
type Service struct {
	opt         Options
	mu          sync.RWMutex // guards everything below but the caches, and all tables' contents
	tables      map[string]*table
	tokens      tokens
	conditions  cache
	updates     cache
	projections cache
}

// New makes a service without tables.
func New(opt Options) *Service {
	opt.Region = cmp.Or(opt.Region, "us-east-1")
	opt.Account = cmp.Or(opt.Account, "000000000000")
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Service{
		opt:         opt,
		tables:      map[string]*table{},
		conditions:  cache{parse: parseCondition},
		updates:     cache{parse: parseUpdate},
		projections: cache{parse: parseProjection},
	}
}

// Wire gives the service as the wire server serves it.
func (s *Service) Wire() *wire.Service {
	return &wire.Service{
		Name:        "DynamoDB",
		Target:      "DynamoDB_20120810",
		Version:     "1.0",
		CRC32:       true,
		ThrottledAs: "ProvisionedThroughputExceededException",
		Operations: map[string]wire.Operation{
			"CreateTable":        wire.JSON(s.createTable),
			"DescribeTable":      wire.JSON(s.describeTable),
			"DeleteTable":        wire.JSON(s.deleteTable),
			"ListTables":         wire.JSON(s.listTables),
			"UpdateTimeToLive":   wire.JSON(s.updateTimeToLive),
			"DescribeTimeToLive": wire.JSON(s.describeTimeToLive),
			"GetItem":            s.getItem,
			"BatchGetItem":       s.batchGetItem,
			"BatchWriteItem":     s.batchWriteItem,
			"PutItem":            s.putItem,
			"UpdateItem":         s.updateItem,
			"DeleteItem":         s.deleteItem,
			"Query":              s.query,
			"Scan":               s.scan,
			"TransactWriteItems": s.transactWriteItems,
		},
	}
}

// Key names a key attribute and its type: "S", "N" or "B".
type Key struct {
	Name, Type string
}

// Table says which table to create.
type Table struct {
	Name         string
	HashKey      Key
	RangeKey     Key    // without a name: none
	TTLAttribute string // "": items do not expire
}

// CreateTable creates a table, active at once and billed per request, and returns its ARN. It fails as the operation on
// the wire does.
func (s *Service) CreateTable(t Table) (arn string, err error) {
	in := &createTableInput{TableName: &t.Name, BillingMode: billedPerRequest}
	for i, k := range []Key{t.HashKey, t.RangeKey} {
		if k.Name == "" {
			continue
		}
		in.KeySchema = append(in.KeySchema, keySchemaElement{k.Name, keyTypes[i]})
		in.AttributeDefinitions = append(in.AttributeDefinitions, attributeDefinition{k.Name, k.Type})
	}
	out, err := s.create(in)
	if err != nil {
		return "", fmt.Errorf("create table %s: %w", t.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if created := s.tables[t.Name]; created != nil && t.TTLAttribute != "" {
		created.setTTL(t.TTLAttribute, s.now())
	}
	return out.TableArn, nil
}

// Units tells what a table's callers have consumed since it was created, by the text of the partition key before its
// first '#'; a key without one is a group of its own. Under "" are Scans, and of more than 256 groups the later ones.
func (s *Service) Units(name string) map[string]Units {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tables[name]
	if t == nil {
		return nil
	}
	return t.consumed.snapshot()
}

// now is the clock in seconds since 1970.
func (s *Service) now() int64 { return s.opt.Now().Unix() }

// table finds a table for an operation on items.
func (s *Service) table(name string) (*table, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.tables[name]; t != nil {
		return t, nil
	}
	return nil, errNoTable
}

var errNoTable = wire.Errorf("ResourceNotFoundException", "Requested resource not found")

// invalid makes the error of a request that AWS would refuse.
func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf("ValidationException", format, args...)
}

// notImplemented names a parameter that the local endpoint does not have.
func notImplemented(what string) *wire.Error {
	return wire.Unimplemented("DynamoDB's " + what)
}

// message gives an error's text as AWS words it.
func message(err error) string {
	if e := new(wire.Error); errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}
