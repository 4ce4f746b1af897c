package flare

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flare-agent/flare-agent-go/internal/exchanger"
)

// waits are all calls that wait, with nothing to come.
func waits() map[string]func(context.Context, *Agent) error {
	return map[string]func(context.Context, *Agent) error{
		"next task": func(ctx context.Context, agent *Agent) error {
			_, err := agent.NextTask(ctx)
			return err
		},
		"tasks": func(ctx context.Context, agent *Agent) error {
			for _, err := range agent.Tasks(ctx) {
				return err
			}
			return ErrStopped
		},
		"log record": func(ctx context.Context, agent *Agent) error {
			_, err := agent.NextLogRecord(ctx)
			return err
		},
	}
}

// within runs a wait, does something to it in a while, and says what it returned and how long after that.
func within(wait func() error, disturb func()) (error, time.Duration) {
	var disturbed time.Time
	var mutex sync.Mutex
	time.AfterFunc(30*time.Millisecond, func() {
		mutex.Lock()
		disturbed = time.Now()
		mutex.Unlock()
		disturb()
	})
	err := wait()
	now := time.Now()
	mutex.Lock()
	defer mutex.Unlock()
	return err, now.Sub(disturbed)
}

const atOnce = 2 * time.Second // on a busy machine; no option of these tests ends a wait by itself

func TestEveryWaitEndsWithItsContext(t *testing.T) {
	_, agent := pair(t, With("log_file", "none"), With("log_level", "error"))
	for name, wait := range waits() {
		ctx, cancel := context.WithCancel(context.Background())
		err, delay := within(func() error { return wait(ctx, agent) }, cancel)
		if !errors.Is(err, context.Canceled) || delay > atOnce {
			t.Fatal(name, err, delay)
		}
		ctx, cancel = context.WithTimeout(context.Background(), 10*time.Millisecond)
		is(t, wait(ctx, agent), context.DeadlineExceeded)
		cancel()
		is(t, wait(ctx, agent), context.DeadlineExceeded) // nor does it begin
	}
}

func TestEveryWaitEndsWithStopAndClose(t *testing.T) {
	for name := range waits() {
		for how, disturb := range map[string]func(*Agent){"stop": (*Agent).Stop, "close": func(a *Agent) { a.Close() }} {
			_, agent := pair(t, With("log_file", "none"), With("log_level", "error"))
			err, delay := within(func() error { return waits()[name](context.Background(), agent) },
				func() { disturb(agent) })
			if !errors.Is(err, ErrStopped) || delay > atOnce {
				t.Fatal(name, how, err, delay)
			}
		}
	}
}

func TestTheContextOfOpenStopsTheAgent(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	agent, err := Open(ctx, With("url", "memory://go-nobody"), With("close_timeout", "1"))
	ok(t, err)
	defer agent.Close()
	err, _ = within(func() error { _, err := agent.NextTask(context.Background()); return err }, cancel)
	is(t, err, ErrStopped)
	_, err = agent.NextTask(ctx)
	is(t, err, context.Canceled)
}

func TestNobodyToConnectTo(t *testing.T) {
	agent, err := Open(context.Background(), With("url", "memory://go-nobody"), With("connect_timeout", "0.05"))
	ok(t, err)
	defer agent.Close()
	is(t, agent.WaitConnected(soon(t)), ErrUnreachable)
	agent, err = Open(context.Background(), With("url", "memory://go-nobody"), With("close_timeout", "1"))
	ok(t, err)
	defer agent.Close()
	ctx, cancel := context.WithCancel(context.Background())
	err, delay := within(func() error { return agent.WaitConnected(ctx) }, cancel)
	if !errors.Is(err, context.Canceled) || delay > atOnce {
		t.Fatal(err, delay)
	}
}

var big = make([]float32, 4<<20) // too large to go with the message of a result

// held is a result that is never delivered: it has a receiver who fetches nothing.
func held(t *testing.T) *Result {
	t.Helper()
	peer, agent := pair(t)
	request, err := peer.SendHeld(exchanger.Task{Name: "other"})
	ok(t, err)
	t.Cleanup(request.Free)
	task, err := agent.NextTask(soon(t))
	ok(t, err)
	t.Cleanup(func() { task.Close() })
	result, err := task.NewResult()
	ok(t, err)
	t.Cleanup(func() { result.Cancel(); result.Close() })
	return result
}

func TestWaitsForAResultEndWithTheirContext(t *testing.T) {
	result := held(t)
	ok(t, Borrow(result, "w", big))
	ctx, cancel := context.WithCancel(context.Background())
	err, delay := within(func() error { return result.Finish(ctx) }, cancel)
	if !errors.Is(err, context.Canceled) || delay > atOnce {
		t.Fatal(err, delay)
	}
	ok(t, result.Wait(soon(t), Accepted))
	seen, err := result.WaitProgress(soon(t), Progress{})
	ok(t, err)
	ctx, cancel = context.WithCancel(context.Background())
	err, delay = within(func() error {
		for {
			if seen, err = result.WaitProgress(ctx, seen); err != nil {
				return err
			}
		}
	}, cancel)
	if !errors.Is(err, context.Canceled) || delay > atOnce || seen.BytesTotal == 0 {
		t.Fatal(err, delay, seen)
	}
	receivers, err := result.Receivers()
	ok(t, err)
	if len(receivers) != 2 || receivers[1].Name != "slow" {
		t.Fatal(receivers)
	}
	err, delay = within(func() error { return result.Wait(soon(t), Delivered) }, result.Cancel)
	if !errors.Is(err, ErrAborted) || delay > atOnce {
		t.Fatal(err, delay)
	}
}

func TestCloseOfAResultEndsItsWaits(t *testing.T) {
	result := held(t)
	ok(t, Copy(result, "w", big))
	ok(t, result.Submit())
	err, delay := within(func() error { return result.Wait(soon(t), Delivered) }, func() { result.Close() })
	if !errors.Is(err, ErrClosed) || delay > atOnce {
		t.Fatal(err, delay)
	}
}

func TestAnAbortEndsTheContextOfItsTask(t *testing.T) {
	peer, agent := pair(t)
	request, task := take(t, peer, agent, exchanger.Task{Name: "train"})
	if task.IsAborted() || task.Context().Err() != nil || task.Context() != task.Context() {
		t.Fatal("too early")
	}
	request.Abort()
	select {
	case <-task.Context().Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the context goes on")
	}
	if !task.IsAborted() {
		t.Fatal("not aborted")
	}
	is(t, context.Cause(task.Context()), ErrAborted)
	request.Free()
	ok(t, task.Close())
	_, task = take(t, peer, agent, exchanger.Task{Name: "train"})
	ctx := task.Context()
	ok(t, task.Close())
	<-ctx.Done()
	is(t, context.Cause(ctx), ErrClosed)
}

func TestAnAbortOfTheJobEndsTheLoop(t *testing.T) {
	peer, agent := pair(t)
	ok(t, agent.WaitConnected(soon(t)))
	ok(t, peer.Abort("enough"))
	var last error
	for task, err := range agent.Tasks(soon(t)) {
		last = err
		if task != nil {
			t.Fatal("a task")
		}
	}
	is(t, last, ErrAborted)
	if !strings.Contains(last.Error(), "enough") {
		t.Fatal(last)
	}
}

func TestWaitingTakesNoThreads(t *testing.T) {
	// A goroutine that waits in Go's poller has no thread, while one in C would be in a system call for Go.
	parked := func() int {
		stacks := make([]byte, 4<<20)
		return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), " [IO wait")
	}
	_, agent := pair(t)
	ok(t, agent.WaitConnected(soon(t)))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	const count = 200
	before := parked()
	for range count {
		go func() {
			_, err := agent.NextTask(ctx)
			ended <- err
		}()
	}
	for deadline := time.Now().Add(20 * time.Second); parked()-before < count; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("only", parked()-before, "wait in the poller")
		}
	}
	cancel()
	for range count {
		is(t, <-ended, context.Canceled)
	}
}
