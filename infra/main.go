// Command infra is the CDK app: the one source of the stack. The CDK command line runs it (see cdk.json); with -template
// it writes template.yaml instead, the same stack as plain CloudFormation for local use, and with -settings the page that
// lists the settings.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

func main() {
	template := flag.String("template", "", "write the local CloudFormation template to `file` and stop")
	page := flag.String("settings", "", "write the page that lists the settings to `file` and stop")
	flag.Parse()
	err := run(context.Background(), *template, *page)
	if err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
	}
	closeJsii()
	if err != nil {
		os.Exit(1)
	}
}

func run(ctx context.Context, template, page string) error {
	switch {
	case template != "":
		return writeTemplate(template, DefaultSettings())
	case page != "":
		return os.WriteFile(page, settingsMarkdown(), 0o644)
	}
	app := awscdk.NewApp(nil)
	values, _ := app.Node().GetAllContext(nil).(map[string]any)
	settings, err := readSettings(values)
	if err != nil {
		return fmt.Errorf("wrong settings:\n%w", err)
	}
	for _, function := range functions {
		if err := build(ctx, function, settings.Architecture); err != nil {
			return err
		}
	}
	newStack(app, settings, deployFolder)
	app.Synth(nil)
	return nil
}

// closeJsii ends jsii's process and clears up what it unpacked. It does so without a word: jsii-runtime-go 1.139.0 waits
// for the process twice, and every other time says that it "exited abnormally", which is not so.
func closeJsii() {
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = null
	}
	jsii.Close()
}
