// Command plain is a function on nothing but the Runtime API. Its events say what it does.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
)

type event struct {
	Do   string
	Text string
	N    int
}

var base = "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"

func main() {
	fmt.Println("starting")
	switch os.Getenv("INIT") {
	case "error":
		post("init/error", []byte(`{"errorType":"Init","errorMessage":"no table"}`))
		os.Exit(1)
	case "exit":
		os.Exit(3)
	}
	for {
		res, err := http.Get(base + "invocation/next")
		if err != nil {
			os.Exit(1)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			os.Exit(1)
		}
		handle(res.Header, body)
	}
}

func handle(h http.Header, body []byte) {
	id := h.Get("Lambda-Runtime-Aws-Request-Id")
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		panic(err)
	}
	answer := body
	switch e.Do {
	case "environment":
		answer, _ = json.Marshal(os.Environ())
	case "headers":
		answer, _ = json.Marshal(h)
	case "hang":
		hold(e.Text)
		select {}
	case "child":
		child(e.Text)
		select {}
	case "kill":
		os.Stdout.WriteString("last words")
		os.Exit(e.N)
	case "error":
		post("invocation/"+id+"/error", []byte(`{"errorType":"Sad","errorMessage":"`+e.Text+`"}`))
		return
	case "big":
		answer = bytes.Repeat([]byte("x"), e.N)
	case "nothing":
		answer = nil
	case "print":
		fmt.Println(e.Text)
		fmt.Fprintln(os.Stderr, strings.ToUpper(e.Text))
	case "wrong id":
		answer = []byte(fmt.Sprint(post("invocation/"+id+"x/response", nil)))
	case "answer and exit":
		post("invocation/"+id+"/response", answer)
		os.Exit(0)
	}
	if status := post("invocation/"+id+"/response", answer); status != http.StatusAccepted {
		fmt.Println("refused with", status)
	}
}

func post(path string, body []byte) int {
	res, err := http.Post(base+path, "application/json", bytes.NewReader(body))
	if err != nil {
		os.Exit(1)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res.StatusCode
}

// hold keeps a named pipe open for as long as this process lives: its reader sees the end of it.
func hold(fifo string) {
	if fifo == "" {
		return
	}
	f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	held = f
	f.WriteString("up")
}

var held *os.File

// child starts a process that holds the pipe, and that ends only when it is killed.
func child(fifo string) {
	f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	cmd := exec.Command("sleep", "1000")
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	f.WriteString("up")
	f.Close()
}
