package sns

import (
	"cmp"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Version is the API's version, which each request names.
const Version = "2010-03-31"

const namespace = "http://sns.amazonaws.com/doc/2010-03-31/"

// pageSize is how many topics or subscriptions one answer lists (API reference, "ListTopics").
const pageSize = 100

// response is the answer of any operation.
type response struct {
	XMLName   xml.Name
	Namespace string `xml:"xmlns,attr"`
	Result    *result
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

// result has the members of all results, each of which has some.
type result struct {
	XMLName         xml.Name
	TopicArn        string                 `xml:",omitempty"`
	SubscriptionArn string                 `xml:",omitempty"`
	MessageId       string                 `xml:",omitempty"`
	Attributes      []entry                `xml:"Attributes>entry"`
	Topics          []topicDocument        `xml:"Topics>member"`
	Subscriptions   []subscriptionDocument `xml:"Subscriptions>member"`
	NextToken       string                 `xml:",omitempty"`
}

type entry struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type topicDocument struct{ TopicArn string }

type subscriptionDocument struct{ SubscriptionArn, Owner, Protocol, Endpoint, TopicArn string }

// operation answers one call, given its form.
type operation func(*Service, url.Values) (*result, error)

var operations = map[string]operation{
	"CreateTopic":               (*Service).createTopic,
	"DeleteTopic":               (*Service).deleteTopic,
	"ListTopics":                (*Service).listTopics,
	"GetTopicAttributes":        (*Service).getTopicAttributes,
	"Subscribe":                 (*Service).subscribe,
	"Unsubscribe":               (*Service).unsubscribe,
	"ListSubscriptions":         (*Service).listSubscriptions,
	"ListSubscriptionsByTopic":  (*Service).listSubscriptionsByTopic,
	"GetSubscriptionAttributes": (*Service).getSubscriptionAttributes,
	"SetSubscriptionAttributes": (*Service).setSubscriptionAttributes,
	"Publish":                   (*Service).publishForm,
}

// Operations names the operations that the service has.
func Operations() []string { return slices.Sorted(maps.Keys(operations)) }

// ServeHTTP answers one call.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := s.call(w, r)
	if err != nil {
		wire.WriteQuery(w, namespace, err)
		return
	}
	wire.WriteXML(w, http.StatusOK, out)
}

func (s *Service) call(w http.ResponseWriter, r *http.Request) (*response, error) {
	form, err := wire.Form(w, r)
	if err != nil {
		return nil, err
	}
	action := form.Get("Action")
	f := operations[action]
	if f == nil {
		return nil, wire.Unimplemented("SNS " + action)
	}
	res, err := f(s, form)
	if err != nil {
		return nil, err
	}
	res.XMLName.Local = action + "Result"
	return &response{XMLName: xml.Name{Local: action + "Response"}, Namespace: namespace, Result: res, RequestID: wire.NewID()}, nil
}

// attributesOf reads the map Attributes of a form: Attributes.entry.1.key and so on.
func attributesOf(form url.Values) map[string]string {
	out := map[string]string{}
	for i := 1; ; i++ {
		at := "Attributes.entry." + strconv.Itoa(i)
		key := form.Get(at + ".key")
		if key == "" {
			return out
		}
		out[key] = form.Get(at + ".value")
	}
}

// refuse names the first parameter of a form that begins with one of the prefixes.
func refuse(form url.Values, prefixes ...string) error {
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, prefix := range prefixes {
			if strings.HasPrefix(name, prefix) {
				return wire.Unimplemented("the SNS parameter " + name)
			}
		}
	}
	return nil
}

func (s *Service) createTopic(form url.Values) (*result, error) {
	arn, err := s.CreateTopic(form.Get("Name"), attributesOf(form))
	return &result{TopicArn: arn}, err
}

func (s *Service) deleteTopic(form url.Values) (*result, error) {
	arn := form.Get("TopicArn")
	if arn == "" {
		return nil, invalid("TopicArn")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.of(arn) {
		delete(s.subscriptions, sub.arn)
	}
	delete(s.topics, arn) // one that is not there is deleted without an error
	return &result{}, nil
}

func (s *Service) listTopics(form url.Values) (*result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arns, next, err := page(slices.Sorted(maps.Keys(s.topics)), form.Get("NextToken"))
	out := &result{NextToken: next}
	for _, arn := range arns {
		out.Topics = append(out.Topics, topicDocument{arn})
	}
	return out, err
}

// page cuts out the page that a token asks for.
func page[T any](all []T, token string) (cut []T, next string, err error) {
	from, err := strconv.Atoi(cmp.Or(token, "0"))
	if err != nil || from < 0 {
		return nil, "", invalid("NextToken")
	}
	all = all[min(from, len(all)):]
	if len(all) > pageSize {
		return all[:pageSize], strconv.Itoa(from + pageSize), nil
	}
	return all, "", nil
}

func (s *Service) getTopicAttributes(form url.Values) (*result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.topics[form.Get("TopicArn")]
	if t == nil {
		return nil, errNoTopic
	}
	attributes := map[string]string{
		"TopicArn": t.arn, "Owner": s.opt.Account, "DisplayName": "",
		"SubscriptionsConfirmed": strconv.Itoa(len(s.of(t.arn))), "SubscriptionsPending": "0", "SubscriptionsDeleted": "0",
	}
	maps.Copy(attributes, t.attributes)
	return &result{Attributes: entries(attributes)}, nil
}

func entries(attributes map[string]string) (out []entry) {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		out = append(out, entry{name, attributes[name]})
	}
	return out
}

// protocols are those of AWS that the local endpoint has not.
var protocols = []string{"http", "https", "email", "email-json", "sms", "application", "lambda", "firehose"}

const protocolSQS = "sqs"

func (s *Service) subscribe(form url.Values) (*result, error) {
	switch protocol := form.Get("Protocol"); {
	case slices.Contains(protocols, protocol):
		return nil, wire.Unimplemented("SNS subscriptions by " + protocol)
	case protocol != protocolSQS:
		return nil, invalid("Amazon SNS does not support this protocol string: " + protocol)
	}
	attributes := attributesOf(form)
	for name := range attributes {
		if name != attrRaw {
			return nil, wire.Unimplemented("the SNS subscription attribute " + name)
		}
	}
	isRaw, err := raw(attributes[attrRaw])
	if err != nil {
		return nil, err
	}
	arn, err := s.Subscribe(form.Get("TopicArn"), form.Get("Endpoint"), isRaw)
	return &result{SubscriptionArn: arn}, err
}

const attrRaw = "RawMessageDelivery"

func (s *Service) unsubscribe(form url.Values) (*result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subscriptions, form.Get("SubscriptionArn")) // one that is not there is deleted without an error
	return &result{}, nil
}

func (s *Service) listSubscriptions(form url.Values) (*result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list("", form.Get("NextToken"))
}

func (s *Service) listSubscriptionsByTopic(form url.Values) (*result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := form.Get("TopicArn")
	if s.topics[arn] == nil {
		return nil, errNoTopic
	}
	return s.list(arn, form.Get("NextToken"))
}

func (s *Service) list(topicARN, token string) (*result, error) {
	subscriptions, next, err := page(s.of(topicARN), token)
	out := &result{NextToken: next}
	for _, sub := range subscriptions {
		out.Subscriptions = append(out.Subscriptions, subscriptionDocument{sub.arn, s.opt.Account, protocolSQS, sub.queue, sub.topic})
	}
	return out, err
}

func (s *Service) getSubscriptionAttributes(form url.Values) (*result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscriptions[form.Get("SubscriptionArn")]
	if sub == nil {
		return nil, errNoSubscription
	}
	return &result{Attributes: entries(map[string]string{
		"SubscriptionArn": sub.arn, "TopicArn": sub.topic, "Protocol": protocolSQS, "Endpoint": sub.queue, "Owner": s.opt.Account,
		attrRaw: strconv.FormatBool(sub.raw), "PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true",
	})}, nil
}

func (s *Service) setSubscriptionAttributes(form url.Values) (*result, error) {
	if name := form.Get("AttributeName"); name != attrRaw {
		return nil, wire.Unimplemented("the SNS subscription attribute " + name)
	}
	isRaw, err := raw(form.Get("AttributeValue"))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscriptions[form.Get("SubscriptionArn")]
	if sub == nil {
		return nil, errNoSubscription
	}
	changed := *sub // a Publish may be reading the old one
	changed.raw = isRaw
	s.subscriptions[sub.arn] = &changed
	return &result{}, nil
}

func (s *Service) publishForm(form url.Values) (*result, error) {
	if err := refuse(form, "MessageAttributes.", "MessageStructure", "PhoneNumber", "MessageGroupId", "MessageDeduplicationId"); err != nil {
		return nil, err
	}
	id, err := s.publish(cmp.Or(form.Get("TopicArn"), form.Get("TargetArn")), form.Get("Subject"), form.Get("Message"))
	return &result{MessageId: id}, err
}
