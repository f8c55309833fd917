package dynamodb

import (
	"slices"
	"sort"
)

// maxChunk is how many entries one chunk of a partition holds: an insert moves 5 KB at most on average.
const maxChunk = 256

// entry is one item in a partition.
type entry struct {
	key     string // of the sort key: bytes in the order of the keys, "" without one
	item    document
	size    uint32 // as AWS counts it
	expires uint32 // seconds since 1970, 0 for never
}

// partition holds the items of one hash key in order, in chunks of a B-tree's lowest level. Appending at the end, as
// logs do, fills chunks whole.
type partition struct {
	chunks [][]entry
}

// position is a place in a partition: of an entry, or where one would be inserted.
type position struct {
	chunk, index int
}

// seek finds the first entry whose key is not less than key, and whether it is that key.
func (p *partition) seek(key string) (position, bool) {
	c := sort.Search(len(p.chunks), func(i int) bool {
		chunk := p.chunks[i]
		return chunk[len(chunk)-1].key >= key
	})
	if c == len(p.chunks) {
		return position{chunk: c}, false
	}
	chunk := p.chunks[c]
	i := sort.Search(len(chunk), func(i int) bool { return chunk[i].key >= key })
	return position{c, i}, chunk[i].key == key
}

func (p *partition) at(pos position) *entry { return &p.chunks[pos.chunk][pos.index] }

// valid tells whether there is an entry at a position.
func (p *partition) valid(pos position) bool {
	return pos.chunk >= 0 && pos.chunk < len(p.chunks) && pos.index < len(p.chunks[pos.chunk])
}

// next and previous give the neighbouring position, which is not valid beyond the ends.
func (p *partition) next(pos position) position {
	if pos.index+1 < len(p.chunks[pos.chunk]) {
		return position{pos.chunk, pos.index + 1}
	}
	return position{chunk: pos.chunk + 1}
}

func (p *partition) previous(pos position) position {
	if pos.index > 0 {
		return position{pos.chunk, pos.index - 1}
	}
	if pos.chunk == 0 {
		return position{chunk: -1}
	}
	return position{pos.chunk - 1, len(p.chunks[pos.chunk-1]) - 1}
}

// insert adds an entry at the position that seek gave for its key.
func (p *partition) insert(pos position, e entry) {
	if pos.chunk == len(p.chunks) {
		if pos.chunk == 0 || len(p.chunks[pos.chunk-1]) >= maxChunk {
			p.chunks = append(p.chunks, []entry{e})
			return
		}
		pos.chunk--
		p.chunks[pos.chunk] = append(p.chunks[pos.chunk], e)
		return
	}
	if len(p.chunks[pos.chunk]) >= maxChunk {
		pos = p.split(pos)
	}
	p.chunks[pos.chunk] = slices.Insert(p.chunks[pos.chunk], pos.index, e)
}

// split cuts a full chunk in two and tells where the position has gone.
func (p *partition) split(pos position) position {
	const half = maxChunk / 2
	chunk := p.chunks[pos.chunk]
	right := append(make([]entry, 0, maxChunk), chunk[half:]...)
	clear(chunk[half:])
	p.chunks[pos.chunk] = chunk[:half]
	p.chunks = slices.Insert(p.chunks, pos.chunk+1, right)
	if pos.index > half {
		return position{pos.chunk + 1, pos.index - half}
	}
	return pos
}

// remove deletes the entry at a position.
func (p *partition) remove(pos position) {
	chunk := slices.Delete(p.chunks[pos.chunk], pos.index, pos.index+1)
	p.chunks[pos.chunk] = chunk
	if len(chunk) == 0 {
		p.chunks = slices.Delete(p.chunks, pos.chunk, pos.chunk+1)
	}
}
