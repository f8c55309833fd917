package cloudevent

// Strings makes strings of bytes, and remembers those that it made, so that one that recurs costs no allocation. Max
// bounds how many are remembered: where more are met it begins anew. It is not safe for concurrent use.
type Strings struct {
	Max   int
	known map[string]string
}

// Of gives the bytes as a string.
func (s *Strings) Of(b []byte) string {
	if known, ok := s.known[string(b)]; ok {
		return known
	}
	if s.known == nil {
		s.known = map[string]string{}
	}
	if len(s.known) >= s.Max {
		clear(s.known)
	}
	made := string(b)
	s.known[made] = made
	return made
}
