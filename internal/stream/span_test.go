package stream

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/awslocal/kinesis"
)

func TestCompareSequence_IsThatOfNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[0-9]{1,20}|1[0-9]{56}`)
		a, b := digits.Draw(t, "a"), digits.Draw(t, "b")
		x, _ := new(big.Int).SetString(a, 10)
		y, _ := new(big.Int).SetString(b, 10)
		if got := CompareSequence(a, b); got != x.Cmp(y) {
			t.Errorf("%s, %s: %d", a, b, got)
		}
	})
}

func TestSpan_AnyPages_GiveWhatLiesBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		there := rapid.SliceOfNDistinct(rapid.IntRange(1, 200), 0, 40, rapid.ID).Draw(t, "there")
		slices.Sort(there)
		first := rapid.IntRange(1, 200).Draw(t, "first")
		last := rapid.IntRange(first, 200).Draw(t, "last")
		s := Span{First: fmt.Sprint(first), Last: fmt.Sprint(last)}
		c := Coverage{FrontGone: true, BackGone: true}
		var got, want []int
		for rest := there; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "page")
			var page []types.Record
			for _, number := range rest[:n] {
				page = append(page, types.Record{SequenceNumber: aws.String(fmt.Sprint(number))})
			}
			rest = rest[n:]
			records, done := s.within(page)
			for _, r := range records {
				var number int
				_, _ = fmt.Sscan(*r.SequenceNumber, &number)
				got = append(got, number)
			}
			if len(records) > 0 {
				c.add(s, records)
			}
			if done {
				break
			}
		}
		for _, n := range there {
			if first <= n && n <= last {
				want = append(want, n)
			}
		}
		if !slices.Equal(got, want) || c.Records != len(want) {
			t.Fatalf("%v to %v of %v: got %v, %+v", first, last, there, got, c)
		}
		if c.FrontGone == slices.Contains(there, first) || c.BackGone == slices.Contains(there, last) {
			t.Fatalf("%v to %v of %v: %+v", first, last, there, c)
		}
	})
}

// readSpan reads a span of shard 0 and gives its data.
func readSpan(t *testing.T, api GetRecordsAPI, first, last string) (data []string, c Coverage) {
	t.Helper()
	c, err := ReadSpan(t.Context(), api, "s", Span{Shard: shard0, First: first, Last: last}, func(r []types.Record) error {
		data = append(data, dataOf(r)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return data, c
}

func TestReadSpan_ManyRecords_AllOfThemAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		p := NewProducer(api, "s", Options{})
		defer p.Close()
		first := puts(t, api, "before", "first")[1]
		mustPut(t, p, 12_000, 12_000)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		last := puts(t, api, "last", "behind")[0]
		data, c := readSpan(t, api, first, last)
		want := Coverage{Records: 12_002, First: first, Last: last}
		if c != want || !c.Whole() || data[0] != "first" || data[len(data)-1] != "last" {
			t.Errorf("%d records, %+v", len(data), c)
		}
	})
}

func TestReadSpan_Trimmed_SaysWhichPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		old := puts(t, api, "1", "2")
		time.Sleep(23 * time.Hour)
		young := puts(t, api, "3", "4", "5")
		time.Sleep(2 * time.Hour) // the first two are older than a day now

		data, c := readSpan(t, api, old[1], young[1])
		if want := (Coverage{Records: 2, First: young[0], Last: young[1], FrontGone: true}); c != want || !slices.Equal(data, []string{"3", "4"}) {
			t.Errorf("partly: %q, %+v", data, c)
		}
		data, c = readSpan(t, api, old[0], old[1])
		if want := (Coverage{FrontGone: true, BackGone: true}); c != want || data != nil {
			t.Errorf("wholly: %q, %+v", data, c)
		}
		time.Sleep(24 * time.Hour)
		if data, c = readSpan(t, api, old[0], young[2]); c.Records > 0 || c.Whole() {
			t.Errorf("nothing is there: %q, %+v", data, c)
		}
	})
}

func TestReadSpan_OfAShardThatWasSplit_IsReadUntilItLeavesTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		numbers := puts(t, api, "1", "2", "3")
		split(t, api, shard0)
		puts(t, api, "4", "5")
		data, c := readSpan(t, api, numbers[1], numbers[2])
		if !c.Whole() || !slices.Equal(data, []string{"2", "3"}) {
			t.Errorf("closed: %q, %+v", data, c)
		}
		time.Sleep(48 * time.Hour)
		if data, c = readSpan(t, api, numbers[1], numbers[2]); data != nil || c.Whole() || !errors.Is(c.Reason, ErrShardGone) {
			t.Errorf("gone: %q, %+v", data, c)
		}
	})
}

// Trimming overtakes the reader between two pages: its ends do not show the gap, the count does.
func TestReadSpan_TrimmedWhileReading_TheCountShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		p := NewProducer(api, "s", Options{})
		defer p.Close()
		first := puts(t, api, "first")[0]
		mustPut(t, p, MaxPageRecords+10, MaxPageRecords+10)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(23*time.Hour + 59*time.Minute)
		last := puts(t, api, "last")[0]
		c, err := ReadSpan(t.Context(), api, "s", Span{Shard: shard0, First: first, Last: last}, func([]types.Record) error {
			time.Sleep(2 * time.Minute)
			return nil
		})
		if err != nil || !c.Whole() || c.Records != MaxPageRecords+1 {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

func TestReadSpan_NoSuchShardOrNumber_IsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		number := puts(t, api, "1")[0]
		c, err := ReadSpan(t.Context(), api, "s", Span{Shard: "shardId-000000000007", First: number, Last: number}, nil)
		if err != nil || c.Whole() || !errors.Is(c.Reason, ErrShardGone) {
			t.Errorf("%+v, %v", c, err)
		}
		c, err = ReadSpan(t.Context(), api, "s", Span{Shard: shard0, First: "17", Last: "18"}, nil)
		if err != nil || c.Whole() || !errors.Is(c.Reason, ErrNotOfShard) {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

func TestReadSpan_CallersError_IsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		number := puts(t, api, "1")[0]
		_, err := ReadSpan(t.Context(), api, "s", Span{Shard: shard0, First: number, Last: number}, func([]types.Record) error { return errBroken })
		if !errors.Is(err, errBroken) {
			t.Error(err)
		}
	})
}
