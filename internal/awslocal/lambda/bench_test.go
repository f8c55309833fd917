package lambda

import (
	"bytes"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"
)

func benchService(b *testing.B, program string) *Service {
	b.Helper()
	s := New(Options{Region: "us-east-1", Account: "000000000000", Log: slog.New(slog.DiscardHandler)})
	b.Cleanup(s.Close)
	if err := s.Create(Function{Name: "f", CodeDir: filepath.Join(built, program), Timeout: time.Minute}); err != nil {
		b.Fatal(err)
	}
	return s
}

func mustInvoke(b *testing.B, s *Service, payload []byte) {
	b.Helper()
	if a, err := s.Invoke(b.Context(), "f", Invocation{Payload: payload}); err != nil || a.FunctionError != "" {
		b.Fatalf("%v: %s", err, a.Payload)
	}
}

func BenchmarkInvoke_Warm(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			s := benchService(b, "plain")
			payload := append([]byte(`{"Do":"nothing","Text":"`), bytes.Repeat([]byte("x"), size)...)
			payload = append(payload, `"}`...)
			mustInvoke(b, s, payload)
			b.SetBytes(int64(size))
			for b.Loop() {
				mustInvoke(b, s, payload)
			}
		})
	}
}

func BenchmarkInvoke_Cold(b *testing.B) {
	for _, program := range []string{"plain", "aws"} {
		b.Run(program, func(b *testing.B) {
			s := benchService(b, program)
			f, _ := s.Function("f")
			for b.Loop() {
				mustInvoke(b, s, []byte("{}"))
				if err := s.Update(f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
