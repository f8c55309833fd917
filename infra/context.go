package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// configKey is the context key that names a file with settings.
const configKey = "config"

// settingsPage lists the settings.
const settingsPage = "docs/settings.md"

// given is a setting as somebody wrote it.
type given struct {
	text  string
	bad   string // what the value is, if it is no text, number or boolean
	where string
}

// readSettings gives the settings that the CDK's context asks for: the defaults, over them the file that -c config names,
// over it the other keys. The context holds what cdk.json and -c say, and keys of the CDK's own. The error names all that
// is wrong, one a line.
func readSettings(context map[string]any) (Settings, error) {
	values, err := gather(context)
	if err != nil {
		return Settings{}, err
	}
	s := DefaultSettings()
	var errs []error
	unread := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := values[name].set(&s, name); err != nil {
			unread[name] = true
			errs = append(errs, err)
		}
	}
	s.derive(values)
	for _, p := range append(contradictions(s, values), s.problems()...) {
		if !slices.ContainsFunc(p.fields, func(name string) bool { return unread[name] }) {
			errs = append(errs, errors.New(p.text(s, func(name string) string { return cmp.Or(values[name].where, "default") })))
		}
	}
	return s, errors.Join(errs...)
}

// gather gives the settings of the context and of the file that it names.
func gather(context map[string]any) (map[string]given, error) {
	values := map[string]given{}
	if file, ok := context[configKey]; ok {
		name, ok := file.(string)
		if !ok || name == "" {
			return nil, fmt.Errorf("%s is %s (-c or cdk.json): want the path of a JSON file, from the project's root", configKey, cmp.Or(fmt.Sprint(file), "empty"))
		}
		var err error
		if values, err = readFile(name); err != nil {
			return nil, err
		}
	}
	for name, value := range context {
		// The CDK's keys have a colon (feature flags, aws:cdk:..., and what it has looked up), but for what "cdk acknowledge"
		// writes.
		if name != configKey && name != "acknowledged-issue-numbers" && !strings.Contains(name, ":") {
			values[name] = givenBy(value)
		}
	}
	return values, nil
}

// givenBy is a value of the context, which is JSON; -c makes a string of everything.
func givenBy(value any) given {
	g := given{where: "-c or cdk.json"}
	switch v := value.(type) {
	case string:
		g.text = v
	case float64:
		g.text = strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		g.text = strconv.FormatBool(v)
	default:
		g.bad = fmt.Sprint(v)
	}
	return g
}

// set takes the value into the settings.
func (g given) set(s *Settings, name string) error {
	f := fieldNamed(name)
	if f == nil {
		hint := ""
		if near := nearest(name); near != "" {
			hint = "; did you mean " + near + "?"
		}
		return fmt.Errorf("there is no setting %s (%s)%s; %s lists them", name, g.where, hint, settingsPage)
	}
	if g.bad != "" {
		return fmt.Errorf("%s is %s (%s): %s", name, g.bad, g.where, f.want())
	}
	if !f.set(s, g.text) {
		return fmt.Errorf("%s is %q (%s): %s", name, g.text, g.where, f.want())
	}
	return nil
}

// derive sets what is not given but follows from other settings, where those are in their range.
func (s *Settings) derive(values map[string]given) {
	if _, ok := values["recordAge"]; !ok && fieldNamed("streamRetention").valid(*s) {
		s.RecordAge = recordAge(s.StreamRetention)
	}
	if _, ok := values["bits"]; !ok {
		s.Processor.Bits = max(s.Processor.Bits, s.neededBits())
	}
}

// contradictions are settings that may each be as they are but cannot both have been meant.
func contradictions(s Settings, values map[string]given) []problem {
	if _, ok := values["shards"]; ok && s.Capacity == OnDemand {
		return []problem{{
			fields: []string{"capacity", "shards"},
			want:   "want shards left out: Kinesis chooses the shards of an on-demand stream",
		}}
	}
	return nil
}

// readFile reads the settings of a JSON file: one object, whose members are settings.
func readFile(name string) (map[string]given, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the settings' file, whose path is from the project's root: %w", err)
	}
	values, err := parseFile(name, text)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return values, nil
}

func parseFile(name string, text []byte) (map[string]given, error) {
	at := func(offset int64) string {
		return name + ":" + strconv.Itoa(1+strings.Count(string(text[:offset]), "\n"))
	}
	// The name of a setting that is there twice is more to the reader than the decoder's pointer.
	decoder := jsontext.NewDecoder(strings.NewReader(string(text)), jsontext.AllowDuplicateNames(true))
	broken := func(err error) error {
		offset := decoder.InputOffset()
		if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			offset, err = syntactic.ByteOffset, syntactic.Err
		}
		return fmt.Errorf("%s: byte %d: no JSON: %w", at(offset), offset, slip(text, offset, err))
	}
	if decoder.PeekKind() != '{' {
		const want = "%s: want one JSON object, as in {\"shards\": 8}"
		_, err := decoder.ReadValue()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf(want+": there is nothing", at(0))
		case err != nil:
			return nil, broken(err)
		}
		return nil, fmt.Errorf(want, at(0))
	}
	values := map[string]given{}
	if _, err := decoder.ReadToken(); err != nil {
		return nil, broken(err)
	}
	for decoder.PeekKind() != '}' {
		token, err := decoder.ReadToken()
		if err != nil {
			return nil, broken(err)
		}
		setting, where := token.String(), at(decoder.InputOffset())
		value, err := decoder.ReadValue()
		if err != nil {
			return nil, broken(err)
		}
		if first, twice := values[setting]; twice {
			return nil, fmt.Errorf("%s: %s is there twice, first at %s", where, setting, first.where)
		}
		values[setting] = givenIn(value, where)
	}
	if _, err := decoder.ReadToken(); err != nil {
		return nil, broken(err)
	}
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: something follows the object", at(decoder.InputOffset()))
	}
	return values, nil
}

// slip says of the usual slips of who writes JSON by hand, or by an editor of Windows, what they are. Else it gives err.
func slip(text []byte, offset int64, err error) error {
	before, after := bytes.TrimSpace(text[:offset]), text[offset:]
	if bytes.HasPrefix(after, []byte("\ufeff")) {
		return errors.New("a byte order mark: save the file as UTF-8 without one")
	}
	next, comma := bytes.CutPrefix(after, []byte(","))
	if comma && (bytes.HasPrefix(bytes.TrimSpace(next), []byte("}")) || bytes.HasSuffix(before, []byte(","))) {
		return errors.New("a comma too many")
	}
	return err
}

// givenIn is a value in a file.
func givenIn(value jsontext.Value, where string) given {
	switch value.Kind() {
	case '"':
		text, _ := jsontext.AppendUnquote(nil, value) // the decoder has seen that it is a string
		return given{text: string(text), where: where}
	case '0', 't', 'f':
		return given{text: string(value), where: where}
	default:
		return given{bad: string(value), where: where}
	}
}

// nearest gives the name of the setting that was probably meant, empty if none is near.
func nearest(name string) string {
	plain := strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))
	best, least := "", 3 // two letters wrong at most
	for _, f := range fields {
		known := strings.ToLower(f.name)
		if d := distance(plain, known); d < least {
			best, least = f.name, d
		}
	}
	if best != "" || len(plain) < 4 {
		return best
	}
	for _, f := range fields {
		if strings.Contains(strings.ToLower(f.name), plain) {
			return f.name
		}
	}
	return ""
}

// distance is how many letters must be put in, taken out or changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
