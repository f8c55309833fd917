package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/internal/client"
)

// start gives a service, a client of it, and its URL.
func start(t *testing.T) (*Service, *sdk.Client, string) {
	t.Helper()
	svc := New()
	server := httptest.NewServer(svc)
	t.Cleanup(server.Close)
	return svc, sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, UsePathStyle: true, HTTPClient: client.HTTP(),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", "c"), Retryer: aws.NopRetryer{},
		// as config.LoadDefaultConfig sets them
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}), server.URL
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused fails the test unless an error has the code.
func refused(t *testing.T, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func get(t *testing.T, c *sdk.Client, bucket, key string) string {
	t.Helper()
	out := must[*sdk.GetObjectOutput](t)(c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: &bucket, Key: &key}))
	defer out.Body.Close()
	return string(must[[]byte](t)(io.ReadAll(out.Body)))
}

func TestBuckets_AreCreatedListedAndDeleted(t *testing.T) {
	svc, c, _ := start(t)
	ctx, name := t.Context(), aws.String("things")
	must[*sdk.CreateBucketOutput](t)(c.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: name}))
	must[*sdk.HeadBucketOutput](t)(c.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: name}))
	if err := svc.CreateBucket("from-go"); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"things", "No"} {
		if err := svc.CreateBucket(wrong); err == nil || !strings.Contains(err.Error(), "create bucket "+wrong) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	var names []string
	for _, b := range must[*sdk.ListBucketsOutput](t)(c.ListBuckets(ctx, &sdk.ListBucketsInput{})).Buckets {
		names = append(names, *b.Name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"from-go", "things"}) {
		t.Errorf("buckets %v", names)
	}
	must[*sdk.DeleteBucketOutput](t)(c.DeleteBucket(ctx, &sdk.DeleteBucketInput{Bucket: name}))
	_, err := c.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: name})
	refused(t, err, "NotFound")
}

// keys are names of objects that have to come back as they are.
var keys = []string{
	"plain", "a/b//c", "space and +plus", "percent%41", "ä/日本.txt", "q?x=1&y", "#hash", "a/../b", "./x", "quote\"<>'", "tail/", "colon:semi;comma,", "*(){}[]|^~`$@!=",
}

func TestObjects_OfAnyName_ArePutReadListedAndDeleted(t *testing.T) {
	svc, c, _ := start(t)
	ctx, bucket := t.Context(), aws.String("things")
	if err := svc.CreateBucket(*bucket); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		must[*sdk.PutObjectOutput](t)(c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader("of " + key), ContentType: aws.String("text/x")}))
		head := must[*sdk.HeadObjectOutput](t)(c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: bucket, Key: &key}))
		if *head.ContentType != "text/x" || *head.ContentLength != int64(len("of "+key)) || head.ContentEncoding != nil {
			t.Errorf("%s: %+v", key, head)
		}
		if got := get(t, c, *bucket, key); got != "of "+key {
			t.Errorf("%s: %q", key, got)
		}
		if b, err := svc.Get("arn:aws:s3:::things", key); err != nil || string(b) != "of "+key {
			t.Errorf("%s from Go: %q, %v", key, b, err)
		}
	}
	var listed []string
	pages := sdk.NewListObjectsV2Paginator(c, &sdk.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(4)})
	for pages.HasMorePages() {
		for _, o := range must[*sdk.ListObjectsV2Output](t)(pages.NextPage(ctx)).Contents {
			listed = append(listed, *o.Key)
		}
	}
	want := slices.Sorted(slices.Values(keys))
	if !slices.Equal(listed, want) {
		t.Errorf("listed %q\nwant   %q", listed, want)
	}
	old := must[*sdk.ListObjectsOutput](t)(c.ListObjects(ctx, &sdk.ListObjectsInput{Bucket: bucket, Prefix: aws.String("a/"), Delimiter: aws.String("/")}))
	if len(old.CommonPrefixes) != 2 {
		t.Errorf("prefixes %+v", old.CommonPrefixes)
	}
	for _, key := range keys {
		must[*sdk.DeleteObjectOutput](t)(c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: bucket, Key: &key}))
		_, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: bucket, Key: &key})
		refused(t, err, "NoSuchKey")
	}
	if _, err := svc.Get(*bucket, "plain"); !errors.Is(err, ErrNoObject) {
		t.Error(err)
	}
	if err := svc.Put("nowhere", "k", nil, ""); err == nil {
		t.Error("put into no bucket")
	}
}

func TestObjects_AreCopiedAndDeletedTogether_WithoutAskingForPaths(t *testing.T) {
	svc, c, url := start(t)
	ctx, bucket := t.Context(), aws.String("many")
	c = sdk.New(c.Options(), func(o *sdk.Options) { o.UsePathStyle = false }) // the endpoint is an IP address
	if err := svc.CreateBucket(*bucket); err != nil {
		t.Fatal(err)
	}
	if err := svc.Put(*bucket, "a b", []byte("x"), "text/x"); err != nil {
		t.Fatal(err)
	}
	must[*sdk.CopyObjectOutput](t)(c.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: bucket, Key: aws.String("c"), CopySource: aws.String("many/a%20b")}))
	if got := get(t, c, *bucket, "c"); got != "x" {
		t.Errorf("copied %q at %s", got, url)
	}
	gone := must[*sdk.DeleteObjectsOutput](t)(c.DeleteObjects(ctx, &sdk.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("a b")}, {Key: aws.String("c")},
	}}}))
	if len(gone.Deleted) != 2 || len(gone.Errors) != 0 {
		t.Errorf("%+v", gone)
	}
	if _, err := svc.Get(*bucket, "c"); !errors.Is(err, ErrNoObject) {
		t.Error(err)
	}
}

func TestPut_FromGo_IsReadWithItsType(t *testing.T) {
	svc, c, _ := start(t)
	if err := svc.CreateBucket("b-1"); err != nil {
		t.Fatal(err)
	}
	if err := svc.Put("arn:aws:s3:::b-1", "k", []byte("{}"), "application/json"); err != nil {
		t.Fatal(err)
	}
	head := must[*sdk.HeadObjectOutput](t)(c.HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String("b-1"), Key: aws.String("k")}))
	if *head.ContentType != "application/json" || head.LastModified == nil || get(t, c, "b-1", "k") != "{}" {
		t.Errorf("%+v", head)
	}
}

func TestMetadata_IsToldInLowerCase_AndATypeIsThere(t *testing.T) {
	svc, _, url := start(t)
	if err := svc.CreateBucket("meta"); err != nil {
		t.Fatal(err)
	}
	if res, text := request(t, http.MethodPut, url+"/meta/k", "<html>", map[string]string{"x-amz-meta-Some": "thing"}); res.StatusCode != http.StatusOK {
		t.Fatal(text)
	}
	w := httptest.NewRecorder()
	svc.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/meta/k", http.NoBody))
	if got := w.Header()[strings.ToLower("X-Amz-Meta-Some")]; !slices.Equal(got, []string{"thing"}) || w.Header().Get("Content-Type") != "binary/octet-stream" {
		t.Errorf("header %v", w.Header())
	}
}

func TestChecksums_OfEachAlgorithm_AreHeldAndReturned(t *testing.T) {
	svc, c, _ := start(t)
	ctx, bucket := t.Context(), aws.String("sums")
	if err := svc.CreateBucket(*bucket); err != nil {
		t.Fatal(err)
	}
	for _, algorithm := range types.ChecksumAlgorithm("").Values() {
		if _, ok := checksums[string(algorithm[:1])+strings.ToLower(string(algorithm[1:]))]; !ok {
			continue // of an algorithm that S3 does not ask for
		}
		key := aws.String(string(algorithm))
		must[*sdk.PutObjectOutput](t)(c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("body"), ChecksumAlgorithm: algorithm}))
		out := must[*sdk.GetObjectOutput](t)(c.GetObject(ctx, &sdk.GetObjectInput{Bucket: bucket, Key: key}))
		if b, err := io.ReadAll(out.Body); string(b) != "body" || err != nil {
			t.Errorf("%s: %q, %v", algorithm, b, err)
		}
		if sums := []*string{out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256}; !slices.ContainsFunc(sums, func(s *string) bool { return s != nil }) {
			t.Errorf("%s: no checksum", algorithm)
		}
		ranged := must[*sdk.GetObjectOutput](t)(c.GetObject(ctx, &sdk.GetObjectInput{Bucket: bucket, Key: key, Range: aws.String("bytes=1-2")}))
		if b, err := io.ReadAll(ranged.Body); string(b) != "od" || err != nil {
			t.Errorf("%s: %q, %v", algorithm, b, err)
		}
	}
	_, err := c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: aws.String("bad"), Body: strings.NewReader("body"), ChecksumCRC32: aws.String("AAAAAA==")})
	refused(t, err, "BadDigest")
	_, err = svc.Get(*bucket, "bad")
	if !errors.Is(err, ErrNoObject) {
		t.Error(err)
	}
}

func TestMultipart_PartsBecomeOneObject(t *testing.T) {
	svc, c, _ := start(t)
	ctx, bucket, key := t.Context(), aws.String("parts"), aws.String("big +file")
	if err := svc.CreateBucket(*bucket); err != nil {
		t.Fatal(err)
	}
	parts := [][]byte{bytes.Repeat([]byte("a"), 5<<20), []byte("end")}
	id := must[*sdk.CreateMultipartUploadOutput](t)(c.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: bucket, Key: key})).UploadId
	var done []types.CompletedPart
	for i, p := range parts {
		n := aws.Int32(int32(i + 1))
		out := must[*sdk.UploadPartOutput](t)(c.UploadPart(ctx, &sdk.UploadPartInput{Bucket: bucket, Key: key, UploadId: id, PartNumber: n, Body: bytes.NewReader(p)}))
		done = append(done, types.CompletedPart{PartNumber: n, ETag: out.ETag})
	}
	must[*sdk.CompleteMultipartUploadOutput](t)(c.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{
		Bucket: bucket, Key: key, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	}))
	if got := get(t, c, *bucket, *key); got != string(parts[0])+"end" {
		t.Errorf("%d bytes", len(got))
	}
}

// request sends a plain request.
func request(t *testing.T, method, url, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body)))
	for name, value := range header {
		r.Header.Set(name, value)
	}
	res := must[*http.Response](t)(http.DefaultClient.Do(r))
	defer res.Body.Close()
	return res, string(must[[]byte](t)(io.ReadAll(res.Body)))
}

func TestChunkedBody_IsTakenOutOfItsChunks(t *testing.T) {
	svc, c, url := start(t)
	if err := svc.CreateBucket("chunks"); err != nil {
		t.Fatal(err)
	}
	const signature = ";chunk-signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for name, x := range map[string]struct{ mode, body, code string }{
		"unsigned with trailer": {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "5\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:mobJYA==\r\n\r\n", ""},
		"without last line":     {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "6\r\nhello!\r\n0\r\nx-amz-checksum-crc32:mobJYA==\r\n", ""},
		"signed":                {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "6" + signature + "\r\nhello!\r\n0" + signature + "\r\n\r\n", ""},
		"wrong sum":             {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "6\r\nhello!\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "BadDigest"},
		"cut off":               {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "6\r\nhell", "IncompleteBody"},
		"too short":             {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "4\r\nhell\r\n0\r\n\r\n", "IncompleteBody"},
		"no size":               {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "zz\r\n", "InvalidRequest"},
		"long chunk":            {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "4\r\nhello!\r\n0\r\n\r\n", "InvalidRequest"},
	} {
		res, text := request(t, http.MethodPut, url+"/chunks/k", x.body, map[string]string{
			"X-Amz-Content-Sha256": x.mode, "Content-Encoding": "aws-chunked,gzip", "X-Amz-Decoded-Content-Length": "6", "X-Amz-Trailer": "x-amz-checksum-crc32",
		})
		if (res.StatusCode == http.StatusOK) != (x.code == "") || !strings.Contains(text, x.code) {
			t.Errorf("%s: %d %s", name, res.StatusCode, text)
		}
		if x.code != "" {
			continue
		}
		head := must[*sdk.HeadObjectOutput](t)(c.HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String("chunks"), Key: aws.String("k")}))
		if b, err := svc.Get("chunks", "k"); string(b) != "hello!" || err != nil || *head.ContentEncoding != "gzip" {
			t.Errorf("%s: %q, %v, %v", name, b, err, *head.ContentEncoding)
		}
	}
}

func TestRequest_ThatWouldBeMistaken_IsRefused(t *testing.T) {
	svc, c, url := start(t)
	if err := svc.CreateBucket("held"); err != nil {
		t.Fatal(err)
	}
	if err := svc.Put("held", "k", []byte("body"), "text/plain"); err != nil {
		t.Fatal(err)
	}
	_, err := c.PutObjectTagging(t.Context(), &sdk.PutObjectTaggingInput{Bucket: aws.String("held"), Key: aws.String("k"), Tagging: &types.Tagging{TagSet: []types.Tag{}}})
	refused(t, err, "NotImplemented")
	_, err = c.PutBucketAcl(t.Context(), &sdk.PutBucketAclInput{Bucket: aws.String("held"), ACL: "private"})
	refused(t, err, "NotImplemented")
	if res, text := request(t, http.MethodOptions, url+"/held/k", "", map[string]string{"Origin": "http://x", "Access-Control-Request-Method": "PUT"}); res.StatusCode != http.StatusNotImplemented {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	res, text := request(t, http.MethodGet, url+"/held/k", "", map[string]string{"Origin": "http://evil.example"})
	if res.Header.Get("Access-Control-Allow-Origin") != "" || text != "body" {
		t.Errorf("a page may read: %v", res.Header)
	}
	if get(t, c, "held", "k") != "body" {
		t.Error("the object has changed")
	}
}

func TestRequest_TooLarge_IsRefusedUnread(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPut, "/b/k", strings.NewReader("x"))
	r.ContentLength = MaxRequest + 1
	New().ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "<Code>EntityTooLarge</Code>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// FuzzReadBody feeds the decoder of chunks any bytes: it must give a body of the size that was told, or an error.
func FuzzReadBody(f *testing.F) {
	for _, s := range []string{"5\r\nhello\r\n0\r\n\r\n", "5;x=y\r\nhello\r\n0\r\nx-amz-checksum-crc32:mobJYA==", "0\r\n", "", "ffffffff\r\n", "1\n.\n0\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		h := http.Header{"X-Amz-Content-Sha256": {"STREAMING-UNSIGNED-PAYLOAD-TRAILER"}}
		if body, err := readBody(h, bytes.NewReader(in)); err == nil && len(body) > len(in) {
			t.Fatalf("%d bytes of %d", len(body), len(in))
		}
	})
}
