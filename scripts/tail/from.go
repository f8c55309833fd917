package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/cli"
	"github.com/millrace/millrace/internal/stream"
)

// parsePosition reads where to begin.
func parsePosition(s string, now time.Time) (stream.Position, error) {
	switch s {
	case "trim-horizon":
		return stream.TrimHorizon, nil
	case "latest":
		return stream.Latest, nil
	}
	for prefix, position := range map[string]func(string) stream.Position{"at:": stream.AtSequence, "after:": stream.AfterSequence} {
		if number, ok := strings.CutPrefix(s, prefix); ok {
			return position(number), checkSequence(number)
		}
	}
	at, err := cli.ParseTime(s, now)
	if err != nil {
		return stream.AtTime(at), fmt.Errorf("%w, or trim-horizon, latest, at:SEQUENCE, after:SEQUENCE", err)
	}
	if at.After(now) {
		err = errors.New("the time is to come")
	}
	return stream.AtTime(at), err
}

func checkSequence(number string) error {
	if number == "" || strings.ContainsFunc(number, func(r rune) bool { return r < '0' || r > '9' }) {
		return errors.New("want the decimal sequence number of a record")
	}
	return nil
}

func setBool(to *bool, s string) (err error) {
	*to, err = strconv.ParseBool(s)
	return err
}
