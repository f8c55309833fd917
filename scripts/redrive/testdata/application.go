// A handler that fails on purpose, in the place of functions/processor/application.go. The event's data says how:
//
//	permanent  refused for good
//	transient  not while the bank is closed, and then in three of ten calls
//	poison     the process ends, until it is repaired
//
// With a file down in TMPDIR the process ends at any event.
//
// The bank is open when there is a file open in TMPDIR, the poison is repaired by a file repaired. What is handled is
// noted in TMPDIR: in closed.log while the bank is closed, then in open.log.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/processor"
)

var handle processor.Handler = func(_ context.Context, e cloudevent.Event) error {
	var d struct {
		N     int    `json:"distance"`
		Fault string `json:"fault"`
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return processor.Permanent(err)
	}
	if there("down") {
		os.Exit(4)
	}
	log := "closed.log"
	if there("open") {
		log = "open.log"
	}
	switch d.Fault {
	case "permanent":
		return processor.Permanent(errors.New("no such customer"))
	case "transient":
		if log == "closed.log" {
			return errors.New("the bank is closed")
		}
		if rand.IntN(10) < 3 {
			return errors.New("the bank is busy")
		}
	case "poison":
		if !there("repaired") {
			os.Exit(3)
		}
	}
	f, err := os.OpenFile(filepath.Join(os.TempDir(), log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "%s %d\n", e.Subject, d.N)
	return err
}

func there(file string) bool {
	_, err := os.Stat(filepath.Join(os.TempDir(), file))
	return err == nil
}
