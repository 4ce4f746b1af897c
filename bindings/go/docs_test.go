package flare

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The blocks of docs/go.md: those of Go make one program, which testdata/docs/harness.go runs; those for the shell make
// it a module and build it.
func TestTheDocumentRuns(t *testing.T) {
	page, err := os.ReadFile("../../docs/go.md")
	if os.IsNotExist(err) {
		t.Skip("this copy of the package comes without the documents")
	}
	ok(t, err)
	harness, err := os.ReadFile("testdata/docs/harness.go")
	ok(t, err)
	source, err := filepath.Abs("../..")
	ok(t, err)
	work := t.TempDir()
	var trainer string
	more, shell := "package main\n", "set -e\n"
	for _, block := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```").FindAllStringSubmatch(string(page), -1) {
		switch language, text := block[1], block[2]; {
		case language == "sh":
			shell += text
		case strings.HasPrefix(text, "package main"):
			trainer += text
		case language == "go":
			more += text
		default:
			t.Fatal("a block that nothing runs: ", text)
		}
	}
	for _, function := range regexp.MustCompile(`(?m)^func (\w+)\(`).FindAllStringSubmatch(more, -1) {
		if !strings.Contains(string(harness), function[1]+"(") {
			t.Fatal("the harness does not call ", function[1])
		}
	}
	imports := "package main\nimport (\"context\";\"errors\";\"os\";\"os/signal\";\"syscall\";" +
		"\"github.com/flare-agent/flare-agent-go\")\n"
	write := func(name, text string) { ok(t, os.WriteFile(filepath.Join(work, name), []byte(text), 0o600)) }
	run := func(name string, arguments ...string) string {
		t.Helper()
		command := exec.Command(name, arguments...)
		command.Dir = work
		command.Env = append(os.Environ(), "FLARE_SOURCE="+source)
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, arguments, err, output)
		}
		return string(output)
	}

	write("main.go", trainer) // alone, as a reader would begin
	run("sh", "-c", shell)
	write("main.go", strings.Replace(trainer, "func main()", "func original()", 1)+"\nfunc main() { harness() }\n")
	write("more.go", strings.Replace(more, "package main\n", imports, 1))
	write("harness.go", string(harness))
	// The module takes a name from which the test's own peer may be imported.
	run("go", "mod", "edit", "-module", "github.com/flare-agent/flare-agent-go/docs")
	if output := run("go", "run", "."); output != "exit 0\n" {
		t.Fatal(output)
	}
}
