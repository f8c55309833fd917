package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/config"
)

func TestArchive_WithoutTLS_IsDenied(t *testing.T) {
	want := map[string]any{
		"Effect":    "Deny",
		"Principal": map[string]any{"AWS": "*"},
		"Action":    "s3:*",
		"Resource":  []any{getAtt("Archive", "Arn"), join(getAtt("Archive", "Arn"), "/*")},
		"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
	}
	policy := synth(t).properties(t, "ArchivePolicy")["PolicyDocument"].(map[string]any)
	if diff := cmp.Diff([]any{want}, policy["Statement"]); diff != "" {
		t.Error(diff)
	}
}

func TestArchive_Access_IsPrivateAndByPolicyAlone(t *testing.T) {
	bucket := synth(t).properties(t, "Archive")
	for name, want := range map[string]any{
		"PublicAccessBlockConfiguration": map[string]any{"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true},
		"OwnershipControls":              map[string]any{"Rules": []any{map[string]any{"ObjectOwnership": "BucketOwnerEnforced"}}},
		"VersioningConfiguration":        map[string]any{"Status": "Enabled"},
	} {
		if diff := cmp.Diff(want, bucket[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestArchive_Lifecycle_ExpiresNoEvent(t *testing.T) {
	rules := synth(t).properties(t, "Archive")["LifecycleConfiguration"].(map[string]any)["Rules"]
	want := []any{
		map[string]any{
			"Id": "Leftovers", "Status": "Enabled",
			"NoncurrentVersionExpiration":    map[string]any{"NoncurrentDays": 30.0},
			"AbortIncompleteMultipartUpload": map[string]any{"DaysAfterInitiation": 7.0},
		},
		map[string]any{
			"Id": "Events", "Status": "Enabled", "Prefix": "events/",
			"Transitions": []any{map[string]any{"StorageClass": "INTELLIGENT_TIERING", "TransitionInDays": 0.0}},
		},
		map[string]any{"Id": "Results", "Status": "Enabled", "Prefix": "athena/", "ExpirationInDays": 7.0},
	}
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Error(diff)
	}
}

func TestTable_Columns_AreTheArchives(t *testing.T) {
	table := synth(t).properties(t, "ArchiveTable")["TableInput"].(map[string]any)
	if table["Name"] != config.ArchiveTable {
		t.Errorf("name is %v", table["Name"])
	}
	var got []config.Column
	for _, column := range table["StorageDescriptor"].(map[string]any)["Columns"].([]any) {
		c := column.(map[string]any)
		got = append(got, config.Column{Name: c["Name"].(string), Type: c["Type"].(string), Comment: c["Comment"].(string)})
	}
	if diff := cmp.Diff(config.ArchiveColumns(), got); diff != "" {
		t.Error(diff)
	}
}

func TestTable_Partitions_AreWhereFirehosePutsTheDays(t *testing.T) {
	s := synth(t)
	table := s.properties(t, "ArchiveTable")["TableInput"].(map[string]any)
	want := map[string]any{
		"classification":            "parquet",
		"projection.enabled":        "true",
		"projection.dt.type":        "date",
		"projection.dt.format":      "yyyy-MM-dd",
		"projection.dt.range":       "2026-01-01,NOW",
		"storage.location.template": join("s3://", reference("Archive"), "/events/dt=${dt}/"),
	}
	if diff := cmp.Diff(want, table["Parameters"]); diff != "" {
		t.Error(diff)
	}
	keys := table["PartitionKeys"].([]any)
	if key := keys[0].(map[string]any); len(keys) != 1 || key["Name"] != "dt" || key["Type"] != "string" {
		t.Errorf("partition keys %v", keys)
	}
	written := strings.Replace(destination(t, s)["Prefix"].(string), "!{timestamp:yyyy-MM-dd}", "${dt}", 1)
	if diff := cmp.Diff(join("s3://", reference("Archive"), "/"+written), table["Parameters"].(map[string]any)["storage.location.template"]); diff != "" {
		t.Errorf("Athena looks elsewhere: %s", diff)
	}
}

func TestWorkGroup_Results_StayInTheBucketEncrypted(t *testing.T) {
	want := map[string]any{
		"EnforceWorkGroupConfiguration": true,
		"ResultConfiguration": map[string]any{
			"OutputLocation":          join("s3://", reference("Archive"), "/athena/"),
			"EncryptionConfiguration": map[string]any{"EncryptionOption": "SSE_KMS", "KmsKey": getAtt("Key", "Arn")},
			"ExpectedBucketOwner":     reference("AWS::AccountId"),
		},
	}
	group := synth(t).properties(t, "WorkGroup")
	if diff := cmp.Diff(want, group["WorkGroupConfiguration"]); diff != "" {
		t.Error(diff)
	}
	if group["RecursiveDeleteOption"] != true {
		t.Error("once used it cannot be deleted")
	}
}

func TestNamedQueries_Place_IsTheWorkGroupAndTheDatabase(t *testing.T) {
	for _, id := range []string{"EventsByDay", "Copies"} {
		query := synth(t).properties(t, id)
		if diff := cmp.Diff(reference("WorkGroup"), query["WorkGroup"]); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
		if diff := cmp.Diff(reference("ArchiveDatabase"), query["Database"]); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
}

var (
	sqlComment  = regexp.MustCompile(`--.*`)
	sqlLiteral  = regexp.MustCompile(`'[^']*'`)
	sqlFunction = regexp.MustCompile(`\b(count|min|max)\(`)
	sqlAlias    = regexp.MustCompile(`\bAS ([a-z_]+)`)
	sqlName     = regexp.MustCompile(`\b[a-z_]+\b`)
)

// Keywords are in capitals in the queries, so that what is left in small letters are names.
func TestNamedQueries_Names_ExistInTheTable(t *testing.T) {
	known := []string{"dt", "current_date", config.ArchiveTable}
	for _, c := range config.ArchiveColumns() {
		known = append(known, c.Name)
	}
	for title, query := range map[string]string{"events by day": eventsByDay, "copies": copies} {
		text := sqlFunction.ReplaceAllString(sqlLiteral.ReplaceAllString(sqlComment.ReplaceAllString(query, ""), ""), "(")
		names := slices.Clone(known)
		for _, alias := range sqlAlias.FindAllStringSubmatch(text, -1) {
			names = append(names, alias[1])
		}
		for _, name := range sqlName.FindAllString(text, -1) {
			if !slices.Contains(names, name) {
				t.Errorf("%s: no column %s", title, name)
			}
		}
		if !strings.Contains(text, "WHERE dt >=") {
			t.Errorf("%s reads the whole archive", title)
		}
		if strings.Count(text, "(") != strings.Count(text, ")") {
			t.Errorf("%s: parentheses", title)
		}
	}
}

func TestDatabaseName_AnyStack_NeedsNoQuotes(t *testing.T) {
	plain := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	rapid.Check(t, func(t *rapid.T) {
		stack := rapid.StringMatching(`[A-Za-z][A-Za-z0-9-]{0,127}`).Draw(t, "stack") // what CloudFormation takes
		if name := databaseName(stack); !plain.MatchString(name) || len(name) != len(stack) {
			t.Fatalf("%s is %s", stack, name)
		}
	})
}
