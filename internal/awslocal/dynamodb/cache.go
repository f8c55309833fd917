package dynamodb

import "sync"

// maxCached bounds the parsed expressions of each kind that are kept: programs have few, but some write values into them.
const maxCached = 1024

// cache keeps what parse makes of a text, but nothing that it refuses: such a text may be of any length. It is safe for
// concurrent use.
type cache struct {
	parse func(string) *expression
	mu    sync.RWMutex
	known map[string]*expression
}

func (c *cache) get(text string) *expression {
	c.mu.RLock()
	x := c.known[text]
	c.mu.RUnlock()
	if x != nil {
		return x
	}
	if x = c.parse(text); x.err != nil {
		return x
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxCached {
		c.known = map[string]*expression{}
	}
	c.known[text] = x
	return x
}
