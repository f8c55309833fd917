package wire

import "testing"

func TestSplitFunction_AllForms(t *testing.T) {
	const owner = "arn:aws:lambda:us-east-1:000000000000"
	for ref, want := range map[string][3]string{
		"f":                          {"", "f", ""},
		"f:$LATEST":                  {"", "f", "$LATEST"},
		"my-function:live":           {"", "my-function", "live"},
		"function:f":                 {"", "f", ""},
		"000000000000:function:f":    {"000000000000", "f", ""},
		owner + ":function:f":        {owner, "f", ""},
		owner + ":function:f:v1":     {owner, "f", "v1"},
		owner + ":function:af:f":     {owner, "af", "f"},
		owner + ":function:function": {owner, "function", ""},
	} {
		if o, name, qualifier := SplitFunction(ref); [3]string{o, name, qualifier} != want {
			t.Errorf("%s: %q %q %q", ref, o, name, qualifier)
		}
	}
}
