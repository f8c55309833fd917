package dynamodb

import (
	"strconv"
	"strings"
	"sync"
)

// Capacity units (developer guide, "Read and write operations").
const (
	readUnit          = 4 << 10 // bytes that one read unit reads strongly consistent
	writeUnit         = 1 << 10 // bytes that one write unit writes
	eventually        = 0.5     // of a strongly consistent read
	transactionFactor = 2       // of a plain read or write
)

// Units is what callers have consumed.
type Units struct {
	Read, Write float64
}

// readUnits is what reading so many bytes costs; nothing costs as much as a byte.
func readUnits(size int, consistent bool) float64 {
	units := float64(max(1, (size+readUnit-1)/readUnit))
	if !consistent {
		units *= eventually
	}
	return units
}

// writeUnits is what writing so many bytes costs; nothing costs as much as a byte.
func writeUnits(size int) float64 { return float64(max(1, (size+writeUnit-1)/writeUnit)) }

// maxGroups bounds the groups of units that are told apart: keys without a prefix would each make one.
const maxGroups = 256

// consumption counts a table's units by the text of the hash key before its first '#'.
type consumption struct {
	mu      sync.Mutex
	byGroup map[string]*Units
}

func (c *consumption) add(hash string, u Units) {
	group, _, _ := strings.Cut(hash, "#")
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.byGroup[group]
	if of == nil && len(c.byGroup) >= maxGroups {
		group = ""
		of = c.byGroup[group]
	}
	if of == nil {
		if c.byGroup == nil {
			c.byGroup = map[string]*Units{}
		}
		of = &Units{}
		c.byGroup[strings.Clone(group)] = of
	}
	of.Read += u.Read
	of.Write += u.Write
}

func (c *consumption) snapshot() map[string]Units {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]Units, len(c.byGroup))
	for group, u := range c.byGroup {
		all[group] = *u
	}
	return all
}

// The values of ReturnConsumedCapacity.
const (
	capacityIndexes = "INDEXES"
	capacityTotal   = "TOTAL"
)

var capacityTotals = []string{capacityIndexes, capacityTotal, "NONE"}

// wantsCapacity tells whether the answer has to say what the request consumed.
func wantsCapacity(o optional) bool { return o.text == capacityTotal || o.text == capacityIndexes }

// appendCapacity appends a ConsumedCapacity. kind is "" or, as transactions have it, the member that repeats the units.
func appendCapacity(dst []byte, table string, o optional, units float64, kind string) []byte {
	counts := func() {
		dst = append(dst, `"CapacityUnits":`...)
		dst = strconv.AppendFloat(dst, units, 'f', -1, 64)
		if kind != "" {
			dst = append(dst, `,"`+kind+`":`...)
			dst = strconv.AppendFloat(dst, units, 'f', -1, 64)
		}
	}
	dst = append(dst, `{"TableName":`...)
	dst = appendText(dst, table)
	dst = append(dst, ',')
	counts()
	if o.text == capacityIndexes {
		dst = append(dst, `,"Table":{`...)
		counts()
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
