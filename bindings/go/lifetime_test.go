package flare

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flare-agent/flare-agent-go/internal/exchanger"
)

func TestWhatIsClosedSaysSo(t *testing.T) {
	peer, agent := pair(t)
	_, task := take(t, peer, agent, exchanger.Task{Name: "train", W: []float32{1}})
	result, err := task.NewResult()
	ok(t, err)
	for range 2 {
		ok(t, result.Close())
		ok(t, task.Close())
		ok(t, agent.Close())
	}
	_, nextErr := agent.NextTask(soon(t))
	_, infoErr := agent.Info("site")
	_, statsErr := agent.Stats()
	_, getErr := Get[float32](task, "w")
	_, tensorsErr := task.Tensors()
	_, sectionErr := task.Section(Headers)
	_, resultErr := task.NewResult()
	_, progressErr := result.Progress()
	_, receiversErr := result.Receivers()
	for _, err := range []error{
		nextErr, infoErr, statsErr, getErr, tensorsErr, sectionErr, resultErr, progressErr, receiversErr,
		agent.WaitConnected(soon(t)), agent.LogScalar("x", 1, 1), task.Fail("EXECUTION_EXCEPTION", "x"),
		Read(task, "w", []float32{1}), Copy(result, "w", []float32{1}), Borrow(result, "w", []float32{1}),
		result.Set(Meta, "x", 1), result.Submit(), result.Wait(soon(t), Delivered), result.Finish(soon(t)),
	} {
		is(t, err, ErrClosed)
	}
	agent.Stop()
	result.Cancel()
	if !task.IsAborted() || agent.State() != StateStopped || agent.ShouldExit() || task.Name != "train" {
		t.Fatal("closed, but", task.IsAborted(), agent.State(), agent.ShouldExit(), task.Name)
	}
	for range agent.Tasks(soon(t)) {
		t.Fatal("a closed agent has tasks")
	}
}

func TestATaskIsReadableAfterItsAgent(t *testing.T) {
	peer, agent := pair(t)
	_, task := take(t, peer, agent, exchanger.Task{Name: "train", W: []float32{1}})
	ok(t, agent.Close())
	w, err := Get[float32](task, "w")
	ok(t, err)
	if !slices.Equal(w, []float32{1}) {
		t.Fatal(w)
	}
}

func TestATaskClosedInAViewStaysUntilItsEnd(t *testing.T) {
	peer, agent := pair(t)
	_, task := take(t, peer, agent, exchanger.Task{Name: "train", W: []float32{5}})
	ok(t, View(task, "w", func(w []float32) error {
		ok(t, task.Close())
		_, err := Get[float32](task, "w")
		is(t, err, ErrClosed)
		if w[0] != 5 {
			t.Fatal(w)
		}
		return nil
	}))
}

func TestManyGoroutinesUseOneAgent(t *testing.T) {
	peer, agent := pair(t)
	request, task := take(t, peer, agent, exchanger.Task{Name: "train", W: []float32{1}})
	var all sync.WaitGroup
	for i := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for step := range int64(50) {
				_ = agent.LogScalar(fmt.Sprint("metric ", i), 1, step)
				_, _ = Get[float32](task, "w")
				_, _ = agent.Stats()
				_ = task.Context().Err()
				if i == 0 && step == 25 {
					task.Close()
				}
			}
		}()
	}
	all.Wait()
	request.Free()
	closed := make(chan error)
	for range 2 {
		go func() { closed <- agent.Close() }()
	}
	ok(t, <-closed)
	ok(t, <-closed)
}

func TestTheCollectorLeavesBorrowedElementsAlone(t *testing.T) {
	peer, agent := pair(t)
	for range 5 {
		request, task := take(t, peer, agent, exchanger.Task{Name: "other"})
		func() { // nothing but the upload knows the result and its elements when this returns
			result, err := task.NewResult()
			ok(t, err)
			w := make([]float32, 1<<20)
			for i := range w {
				w[i] = 7
			}
			ok(t, Borrow(result, "w", w))
			ok(t, result.Submit())
		}()
		ok(t, task.Close())
		for range 10 {
			runtime.GC()
			rubbish := make([]float32, 1<<20)
			for i := range rubbish {
				rubbish[i] = 1
			}
			runtime.KeepAlive(rubbish)
		}
		reply, err := request.Wait()
		ok(t, err)
		if len(reply.W) != 1<<20 || slices.ContainsFunc(reply.W, func(x float32) bool { return x != 7 }) {
			t.Fatal("the elements changed on their way")
		}
	}
}

func TestBorrowingWhatIsNotOfGo(t *testing.T) {
	peer, agent := pair(t)
	request, task := take(t, peer, agent, exchanger.Task{Name: "other"})
	mapped, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	ok(t, err)
	result, err := task.NewResult()
	ok(t, err)
	ok(t, result.BorrowRaw(Tensor{"w", Float32, []int64{1024}}, mapped))
	ok(t, result.Finish(soon(t)))
	ok(t, result.Close())
	ok(t, syscall.Munmap(mapped))
	reply, err := request.Wait()
	ok(t, err)
	if len(reply.W) != 1024 {
		t.Fatal(len(reply.W))
	}
}

func TestWhatIsForgottenIsReleased(t *testing.T) {
	peer, agent := pair(t)
	request, err := peer.Send(exchanger.Task{Name: "train", W: []float32{1}})
	ok(t, err)
	func() {
		task, err := agent.NextTask(soon(t))
		ok(t, err)
		_, err = task.NewResult()
		ok(t, err)
	}()
	replies := make(chan string)
	go func() {
		reply, _ := request.Wait()
		replies <- reply.ReturnCode
	}()
	for range 1000 {
		runtime.GC()
		select {
		case code := <-replies:
			if code == "OK" || code == "" {
				t.Fatal(code)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatal("a forgotten task was never answered")
}

func TestATaskKeepsItsAgent(t *testing.T) {
	peer, err := exchanger.Open("url", fmt.Sprintf("memory://go-%d", names.Add(1)), "close_timeout", "1")
	ok(t, err)
	t.Cleanup(peer.Close)
	request, err := peer.Send(exchanger.Task{Name: "train"})
	ok(t, err)
	task, err := func() (*Task, error) { // nothing but the task knows the agent when this returns
		agent, err := Open(context.Background(), With("url", peer.URL()))
		ok(t, err)
		return agent.NextTask(soon(t))
	}()
	ok(t, err)
	for range 10 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	result, err := task.NewResult()
	ok(t, err)
	ok(t, result.Submit())
	ok(t, task.Close())
	for range 10 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	ok(t, result.Wait(soon(t), Delivered))
	_, err = request.Wait()
	ok(t, err)
}

func residentKiB(t *testing.T) int {
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	ok(t, err)
	_, after, _ := bytes.Cut(status, []byte("VmRSS:"))
	var kib int
	_, err = fmt.Sscan(string(after), &kib)
	ok(t, err)
	return kib
}

func TestCyclesLeakNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps memory of its own")
	}
	peer, agent := pair(t)
	ctx := soon(t)
	w := make([]float32, 4096)
	cycle := func() {
		request, err := peer.Send(exchanger.Task{Name: "train", W: w, Headers: `{"a": [1, "b"]}`})
		ok(t, err)
		task, err := agent.NextTask(ctx)
		ok(t, err)
		_, err = task.Section(Headers)
		ok(t, err)
		got, err := Get[float32](task, "w")
		ok(t, err)
		_, err = Get[float64](task, "w")
		is(t, err, ErrInvalidArgument)
		result, err := task.NewResult()
		ok(t, err)
		ok(t, Borrow(result, "w", got))
		ok(t, result.Finish(ctx))
		ok(t, result.Close())
		ok(t, task.Close())
		_, err = request.Wait()
		ok(t, err)
	}
	for range 200 {
		cycle()
	}
	// A leak grows every time; what the allocators take once for a new thread does not.
	least := math.MaxInt
	for range 3 {
		before := residentKiB(t)
		for range 1000 {
			cycle()
		}
		least = min(least, residentKiB(t)-before)
	}
	if least >= 4096 {
		t.Fatal(least, "KiB more after 1,000 cycles")
	}
}
