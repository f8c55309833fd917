package sns

import (
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// notification is a message on its way to the subscriptions.
type notification struct {
	id, topic, subject, message string
	at                          time.Time
}

// unsigned stands where AWS has a signature: base64 of "not signed".
const unsigned = "bm90IHNpZ25lZA=="

// envelope is the document that a queue gets unless its subscription is raw: members, order, spaces and line ends are
// AWS's (docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html); the signature is none.
func (n notification) envelope(baseURL, subscription string) string {
	members := [][2]string{
		{"Type", "Notification"},
		{"MessageId", n.id},
		{"TopicArn", n.topic},
		{"Subject", n.subject},
		{"Message", n.message},
		{"Timestamp", n.at.UTC().Format("2006-01-02T15:04:05.000Z")},
		{"SignatureVersion", "1"},
		{"Signature", unsigned},
		{"SigningCertURL", baseURL + "/SimpleNotificationService-local.pem"},
		{"UnsubscribeURL", baseURL + "/?Action=Unsubscribe&SubscriptionArn=" + url.QueryEscape(subscription)},
	}
	out := []byte("{")
	comma := "\n  "
	for _, m := range members {
		if m[0] == "Subject" && m[1] == "" {
			continue
		}
		out = append(out, comma...)
		out = append(out, '"')
		out = append(out, m[0]...)
		out = append(out, `" : `...)
		out, _ = jsontext.AppendQuote(out, m[1]) // the error is for invalid UTF-8, which it replaces
		comma = ",\n  "
	}
	return string(append(out, "\n}"...))
}
