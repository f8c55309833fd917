package main

import (
	"fmt"
	"strconv"
)

// List prices of AWS in us-east-1, November 2026, in dollars: the pricing pages of DynamoDB, Kinesis Data
// Streams, Data Firehose and Lambda.
const (
	priceWrites        = 0.625        // a million write request units, on demand
	priceReads         = 0.125        // a million read request units, on demand
	priceShard         = 0.015        // an hour of a shard
	pricePuts          = 0.014        // a million put units, each up to 25 KB of a record
	priceStream        = 0.04         // an hour of an on-demand stream
	priceIn            = 0.08         // a GB into it
	priceOut           = 0.04         // a GB out of it
	priceCalls         = 0.20         // a million calls of a function
	priceDelivery      = 0.029        // a GB that Firehose takes in, each record rounded up to 5 KB
	priceConversion    = 0.018        // a GB of it that Firehose converts
	priceGBSecondARM64 = 0.0000133334 // a second of a GB of memory
	priceGBSecondX86   = 0.0000166667
)

// costs are the lines of the estimate. A sum over any period comes to an hour by 3600 / PERIOD, so the estimate is the same
// whatever the graph's range.
func costs(s Settings, w watched) []line {
	return []line{
		{label: "table", formula: formula{
			fmt.Sprintf("(FILL(writes, 0) * %s + FILL(reads, 0) * %s) / 1000000 * 3600 / PERIOD(writes)", decimal(priceWrites), decimal(priceReads)),
			map[string]metric{"writes": w.ofTable("ConsumedWriteCapacityUnits", sum), "reads": w.ofTable("ConsumedReadCapacityUnits", sum)},
		}},
		{label: "stream", formula: streamCost(s, w)},
		{label: "archive", formula: archiveCost(s, w)},
		{label: "processor", formula: formula{
			fmt.Sprintf("(FILL(duration, 0) / 1000 * %s * %s + FILL(calls, 0) * %s / 1000000) * 3600 / PERIOD(duration)",
				decimal(float64(s.Memory)/1024), decimal(pricePerGBSecond(s.Architecture)), decimal(priceCalls)),
			map[string]metric{"duration": w.ofProcessor("Duration", sum), "calls": w.ofProcessor("Invocations", sum)},
		}},
	}
}

// streamCost takes a provisioned stream to have the shards that it was created with, and a record to be of up to 25 KB: no
// metric tells the number of shards.
func streamCost(s Settings, w watched) formula {
	if s.Capacity == OnDemand {
		return formula{
			fmt.Sprintf("%s + (FILL(bytesin, 0) * %s + FILL(bytesout, 0) * %s) / 1073741824 * 3600 / PERIOD(bytesin)",
				decimal(priceStream), decimal(priceIn), decimal(priceOut)),
			map[string]metric{"bytesin": w.ofStream("IncomingBytes", sum), "bytesout": w.ofStream("GetRecords.Bytes", sum)},
		}
	}
	return formula{
		fmt.Sprintf("%d * %s + FILL(records, 0) * %s / 1000000 * 3600 / PERIOD(records)", s.Shards, decimal(priceShard), decimal(pricePuts)),
		map[string]metric{"records": w.ofStream("IncomingRecords", sum)},
	}
}

// archiveCost takes a record to be of up to 5 KB, for which Firehose charges 5 KB.
func archiveCost(s Settings, w watched) formula {
	price := priceDelivery
	if s.ArchiveFormat == Parquet {
		price += priceConversion
	}
	return formula{
		fmt.Sprintf("FILL(read, 0) * 5120 * %s / 1073741824 * 3600 / PERIOD(read)", decimal(price)),
		map[string]metric{"read": w.ofDelivery("DataReadFromKinesisStream.Records", sum)},
	}
}

func pricePerGBSecond(architecture string) float64 {
	if architecture == X86 {
		return priceGBSecondX86
	}
	return priceGBSecondARM64
}

// decimal writes a number without an exponent, which metric math does not read.
func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
