package awslocal

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// guarded keeps web pages out. Nothing here is authenticated, and a browser lets any page send requests to loopback: as
// a form or a fetch from another origin, which CrossOriginProtection tells by the headers that browsers add, or from an
// origin whose name its owner has pointed at this machine (DNS rebinding), which the Host tells. SDKs, the aws CLI and
// curl send no such headers and name the endpoint by its address.
func (o Options) guarded(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.serves(r.Host) {
			http.Error(w, "host "+strconv.Quote(r.Host)+" is not a name of the local endpoint: call it by an IP address or as localhost", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// dockerHost is what containers call the machine that they run on.
const dockerHost = "host.docker.internal"

// serves tells whether the Host of a request is a name that nobody else can have pointed at this machine: an IP address,
// localhost or a name below it (RFC 6761, section 6.3); with Public also Docker's name, and the one in Addr.
func (o Options) serves(host string) bool {
	name := hostname(host)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	return o.Public && name != "" && (name == dockerHost || name == hostname(o.Addr))
}

// hostname takes the port, and a root's dot, off a host.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
