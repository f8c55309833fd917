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
			if done {
				break
			}
		}
		for _, n := range there {
			if first <= n && n <= last {
				want = append(want, n)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v to %v of %v: got %v", first, last, there, got)
		}
	})
}

// readSpan reads a span of shard 0 and gives its data.
func readSpan(t *testing.T, api GetRecordsAPI, first, last string) (data []string) {
	t.Helper()
	err := ReadSpan(t.Context(), api, "s", Span{Shard: shard0, First: first, Last: last}, func(r []types.Record) error {
		data = append(data, dataOf(r)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
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
		if data := readSpan(t, api, first, last); len(data) != 12_002 || data[0] != "first" || data[len(data)-1] != "last" {
			t.Errorf("%d records", len(data))
		}
	})
}

func TestReadSpan_Trimmed_GivesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		old := puts(t, api, "1", "2")
		time.Sleep(23 * time.Hour)
		young := puts(t, api, "3", "4", "5")
		time.Sleep(2 * time.Hour) // the first two are older than a day now

		if data := readSpan(t, api, old[1], young[1]); !slices.Equal(data, []string{"3", "4"}) {
			t.Errorf("partly: %q", data)
		}
		if data := readSpan(t, api, old[0], old[1]); data != nil {
			t.Errorf("wholly: %q", data)
		}
		time.Sleep(24 * time.Hour)
		if data := readSpan(t, api, old[0], young[2]); data != nil {
			t.Errorf("nothing is there: %q", data)
		}
	})
}

func TestReadSpan_OfAShardThatWasSplit_IsReadUntilItLeavesTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		numbers := puts(t, api, "1", "2", "3")
		split(t, api, shard0)
		puts(t, api, "4", "5")
		if data := readSpan(t, api, numbers[1], numbers[2]); !slices.Equal(data, []string{"2", "3"}) {
			t.Errorf("closed: %q", data)
		}
		time.Sleep(48 * time.Hour)
		if data := readSpan(t, api, numbers[1], numbers[2]); data != nil {
			t.Errorf("gone: %q", data)
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
		var read []string
		err := ReadSpan(t.Context(), api, "s", Span{Shard: shard0, First: first, Last: last}, func(r []types.Record) error {
			read = append(read, dataOf(r)...)
			time.Sleep(2 * time.Minute)
			return nil
		})
		if err != nil || len(read) != MaxPageRecords+1 || read[0] != "first" || read[MaxPageRecords] != "last" {
			t.Errorf("%d records, %v", len(read), err)
		}
	})
}

func TestReadSpan_NoSuchShardOrNumber_IsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		number := puts(t, api, "1")[0]
		for _, span := range []Span{{Shard: "shardId-000000000007", First: number, Last: number}, {Shard: shard0, First: "17", Last: "18"}} {
			if err := ReadSpan(t.Context(), api, "s", span, nil); err != nil {
				t.Errorf("%+v: %v", span, err)
			}
		}
	})
}

func TestReadSpan_CallersError_IsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := inBubble(t, kinesis.Options{}, 1)
		number := puts(t, api, "1")[0]
		err := ReadSpan(t.Context(), api, "s", Span{Shard: shard0, First: number, Last: number}, func([]types.Record) error { return errBroken })
		if !errors.Is(err, errBroken) {
			t.Error(err)
		}
	})
}
