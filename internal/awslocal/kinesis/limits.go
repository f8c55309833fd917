package kinesis

// What one shard takes and gives in a second, from "Quotas and limits" of the Kinesis Data Streams guide.
const (
	writesPerSecond     = 1000
	writeBytesPerSecond = 1 << 20
	readsPerSecond      = 5
	readBytesPerSecond  = 2 << 20
)

// allowance counts what was used of a shard's throughput, in or out, in the current second. Bytes beyond the limit
// weigh on the seconds that follow: a page of 10 MiB closes the shard to reads for five seconds, as GetRecords
// documents.
type allowance struct {
	second int64
	calls  int
	bytes  int
}

// write takes one record, if it fits.
func (a *allowance) write(now int64, size int) bool {
	a.roll(now, writeBytesPerSecond)
	if a.calls == writesPerSecond || a.bytes > 0 && a.bytes+size > writeBytesPerSecond {
		return false
	}
	a.calls++
	a.bytes += size
	return true
}

// read takes one call. Its bytes are not known yet: they are added afterwards.
func (a *allowance) read(now int64) bool {
	a.roll(now, readBytesPerSecond)
	if a.calls == readsPerSecond || a.bytes >= readBytesPerSecond {
		return false
	}
	a.calls++
	return true
}

// roll moves on to the second of a time in ms.
func (a *allowance) roll(now int64, bytesPerSecond int) {
	passed := now/1000 - a.second
	if passed <= 0 {
		return
	}
	a.second += passed
	a.calls = 0
	a.bytes = int(max(0, int64(a.bytes)-passed*int64(bytesPerSecond)))
}

// mayRead takes a read of the shard, and spend the bytes that it gave.
func (sh *shard) mayRead() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.out.read(sh.stream.service.nowMillis())
}

func (sh *shard) spend(size int) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.out.bytes += size
}

// exceeded is the text of a shard's throttling, as recorded in https://github.com/mhart/kinesalite/pull/87.
func (sh *shard) exceeded() string {
	return "Rate exceeded for shard " + sh.id + " in stream " + sh.stream.name + " under account " + sh.stream.service.account + "."
}
