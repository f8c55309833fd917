package lambda

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCreate_ProgramThatCannotRun_SaysWhatToDo(t *testing.T) {
	var foreign bytes.Buffer
	header := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_S390), Version: uint32(elf.EV_CURRENT), Ehsize: 64, Shentsize: 64,
	}
	if err := binary.Write(&foreign, binary.LittleEndian, header); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		content []byte // nil: there is no file
		mode    os.FileMode
		want    string
	}{
		{"missing", nil, 0, "build the function there first (CGO_ENABLED=0"},
		{"not executable", []byte("#!/bin/sh\n"), 0o644, "is not executable: chmod +x it"},
		{"foreign", foreign.Bytes(), 0o755, "is built for linux/EM_S390 and this machine is"},
		{"empty", []byte{}, 0o755, "not a program"},
		{"text", []byte("hello, world, this is no program at all"), 0o755, "neither an ELF nor a Mach-O program nor a script"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "bootstrap")
			if c.content != nil {
				if err := os.WriteFile(path, c.content, c.mode); err != nil {
					t.Fatal(err)
				}
			}
			s := New(Options{})
			defer s.Close()
			err := s.Create(Function{Name: "f", CodeDir: dir})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %q and the path", err, c.want)
			}
		})
	}
}

func TestCreate_ValuesThatAWSRefuses_AreErrors(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	good := Function{Name: "f", CodeDir: filepath.Join(built, "plain")}
	for want, change := range map[string]func(*Function){
		"name":                 func(f *Function) { f.Name = "a b" },
		"timeout 15m1s":        func(f *Function) { f.Timeout = 901 * time.Second },
		"memory 64 MB":         func(f *Function) { f.MemoryMB = 64 },
		"reserved concurrency": func(f *Function) { f.ReservedConcurrency = -1 },
		"architecture":         func(f *Function) { f.Architecture = "mips" },
		`variable "a-b": want`: func(f *Function) { f.Environment = map[string]string{"a-b": "x"} },
		"AWS_REGION is reser":  func(f *Function) { f.Environment = map[string]string{"AWS_REGION": "x"} },
	} {
		f := good
		change(&f)
		if err := s.Create(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if err := s.Create(good); err != nil {
		t.Error(err)
	}
	if err := s.Create(good); err == nil || !strings.Contains(err.Error(), "ResourceConflictException") {
		t.Errorf("a second time: %v", err)
	}
	if err := s.Update(Function{Name: "g", CodeDir: good.CodeDir}); err == nil || !strings.Contains(err.Error(), "ResourceNotFoundException") {
		t.Errorf("update of an unknown one: %v", err)
	}
}

// However the bytes arrive, the lines are those of the text, and only a line over the limit is in pieces.
func TestLines_AnyChunks_GiveTheSameLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "bc", strings.Repeat("x", MaxLine-1), strings.Repeat("y", MaxLine), strings.Repeat("z", MaxLine+5)}), 0, 4).Draw(t, "lines")
		all := strings.Join(texts, "\n")
		var got []string
		l := &lines{emit: func(b []byte) {
			if len(b) > MaxLine {
				t.Fatalf("%d bytes at once", len(b))
			}
			got = append(got, string(b))
		}}
		for rest := all; rest != ""; {
			n := min(len(rest), rapid.SampledFrom([]int{1, 2, 7, MaxLine - 1, MaxLine + 1, 3 * MaxLine}).Draw(t, "n"))
			if written, err := l.Write([]byte(rest[:n])); written != n || err != nil {
				t.Fatalf("wrote %d: %v", written, err)
			}
			rest = rest[n:]
		}
		l.flush()
		var want []string
		for _, text := range texts {
			for ; len(text) > MaxLine; text = text[MaxLine:] {
				want = append(want, text[:MaxLine])
			}
			want = append(want, text)
		}
		if n := len(want); n > 0 && want[n-1] == "" { // nothing after the last line's end
			want = want[:n-1]
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") || len(got) != len(want) {
			t.Fatalf("%d lines, want %d", len(got), len(want))
		}
	})
}
