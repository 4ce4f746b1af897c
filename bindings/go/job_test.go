package flare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flare-agent/flare-agent-go/internal/exchanger"
)

var names atomic.Int64

// pair opens an exchanger and an agent of it.
func pair(t *testing.T, options ...Option) (*exchanger.Exchanger, *Agent) {
	t.Helper()
	url := fmt.Sprintf("memory://go-%d", names.Add(1))
	peer, err := exchanger.Open("url", url, "close_timeout", "1")
	ok(t, err)
	t.Cleanup(peer.Close)
	agent, err := Open(context.Background(), append(options, With("url", peer.URL()), With("close_timeout", "1"))...)
	ok(t, err)
	t.Cleanup(func() { ok(t, agent.Close()) })
	return peer, agent
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// soon is a context for what should not take long.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func take(t *testing.T, peer *exchanger.Exchanger, agent *Agent, task exchanger.Task) (*exchanger.Request, *Task) {
	t.Helper()
	request, err := peer.Send(task)
	ok(t, err)
	taken, err := agent.NextTask(soon(t))
	ok(t, err)
	t.Cleanup(func() { taken.Close() })
	return request, taken
}

func TestAJobRunsToItsEnd(t *testing.T) {
	peer, agent := pair(t)
	ok(t, agent.WaitConnected(soon(t)))
	replies := make(chan error)
	go func() {
		for round := range int64(3) {
			request, err := peer.Send(exchanger.Task{Name: "train", Round: round, W: []float32{1, 2, 3}})
			if err == nil {
				var reply exchanger.Reply
				reply, err = request.Wait()
				if err == nil && (!slices.Equal(reply.W, []float32{2, 4, 6}) || reply.Steps != 7 || reply.Accuracy != 0.5) {
					err = fmt.Errorf("unexpected %v", reply)
				}
			}
			replies <- err
		}
		replies <- peer.End()
	}()
	rounds := int64(0)
	done := make(chan error, 1)
	go func() {
		for range 4 {
			if err := <-replies; err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for task, err := range agent.Tasks(soon(t)) {
		ok(t, err)
		if task.Kind != Train || task.Name != "train" || task.Round != rounds || task.TotalRounds != 10 {
			t.Fatalf("unexpected %+v", task)
		}
		w, err := Get[float32](task, "w")
		ok(t, err)
		for i := range w {
			w[i] *= 2
		}
		ok(t, agent.LogScalar("loss", 1, task.Round))
		result, err := task.NewResult()
		ok(t, err)
		ok(t, errors.Join(Copy(result, "w", w), result.SetSteps(7), result.SetMetric("accuracy", 0.5)))
		ok(t, result.Finish(soon(t)))
		progress, err := result.Progress()
		ok(t, err)
		if progress.State != UploadDelivered || progress.BytesDone != progress.BytesTotal {
			t.Fatalf("unexpected %+v", progress)
		}
		ok(t, result.Close())
		rounds++
	}
	ok(t, <-done)
	if rounds != 3 || agent.State() != StateEnded {
		t.Fatal(rounds, agent.State())
	}
	stats, err := agent.Stats()
	ok(t, err)
	if stats.TasksReceived != 3 || stats.ResultsDelivered != 3 {
		t.Fatalf("unexpected %+v", stats)
	}
}

func TestAFailureTellsItsReason(t *testing.T) {
	peer, agent := pair(t)
	request, task := take(t, peer, agent, exchanger.Task{Name: "train"})
	ok(t, task.Fail("BAD_TASK_DATA", "no tensor to train"))
	is(t, task.Fail("BAD_TASK_DATA", "again"), ErrInvalidState)
	reply, err := request.Wait()
	ok(t, err)
	if reply.ReturnCode != "BAD_TASK_DATA" || reply.Reason != "no tensor to train" {
		t.Fatal(reply)
	}
}

func TestATaskWithoutAResultIsAnsweredWithAFailure(t *testing.T) {
	peer, agent := pair(t)
	for _, closeResult := range []bool{true, false} {
		request, task := take(t, peer, agent, exchanger.Task{Name: "train", W: []float32{1}})
		result, err := task.NewResult()
		ok(t, err)
		if closeResult {
			ok(t, result.Close())
		}
		ok(t, task.Close())
		is(t, result.Submit(), ErrClosed)
		reply, err := request.Wait()
		ok(t, err)
		if reply.ReturnCode == "OK" || reply.Reason == "" {
			t.Fatal(reply)
		}
	}
}

func TestASubmittedResultOutlivesItsTask(t *testing.T) {
	peer, agent := pair(t)
	request, task := take(t, peer, agent, exchanger.Task{Name: "train", W: []float32{1}})
	result, err := task.NewResult()
	ok(t, err)
	ok(t, Copy(result, "w", []float32{2}))
	ok(t, result.Submit())
	ok(t, task.Close())
	ok(t, result.Wait(soon(t), Delivered))
	ok(t, result.Close())
	reply, err := request.Wait()
	ok(t, err)
	if !slices.Equal(reply.W, []float32{2}) {
		t.Fatal(reply)
	}
}

func TestAPanicGivesTheTaskBack(t *testing.T) {
	peer, agent := pair(t)
	request, err := peer.Send(exchanger.Task{Name: "train", W: []float32{1}})
	ok(t, err)
	func() {
		defer func() {
			if recover() != "mistake" {
				t.Fatal("no panic")
			}
		}()
		for task, err := range agent.Tasks(soon(t)) {
			ok(t, err)
			_ = View(task, "w", func([]float32) error { panic("mistake") })
		}
	}()
	reply, err := request.Wait()
	ok(t, err)
	if reply.ReturnCode == "OK" {
		t.Fatal(reply)
	}
	next, task := take(t, peer, agent, exchanger.Task{Name: "train", W: []float32{2}}) // nothing is locked
	result, err := task.NewResult()
	ok(t, err)
	ok(t, Copy(result, "w", []float32{3}))
	ok(t, result.Finish(soon(t)))
	reply, err = next.Wait()
	ok(t, err)
	if !slices.Equal(reply.W, []float32{3}) {
		t.Fatal(reply)
	}
}

func TestMetricsArrive(t *testing.T) {
	peer, agent := pair(t)
	ok(t, agent.WaitConnected(soon(t)))
	ok(t, agent.LogScalar("loss", 0.25, 4))
	ok(t, agent.LogJSON("PARAMETERS", "rates", map[string]any{"rate": 0.1}, NoStep, ""))
	for _, want := range []struct {
		name string
		step int64
	}{{"loss", 4}, {"rates", NoStep}} {
		name, step, err := peer.NextMetric(20 * time.Second)
		ok(t, err)
		if name != want.name || step != want.step {
			t.Fatal(name, step)
		}
	}
	is(t, agent.LogJSON("NO_SUCH_TYPE", "x", 1, NoStep, ""), ErrInvalidArgument)
	is(t, agent.LogJSON("TEXT", "x", func() {}, NoStep, ""), ErrInvalidArgument)
}

func TestOptionsAndErrorsSpeak(t *testing.T) {
	_, err := Open(context.Background(), With("urll", "x"))
	is(t, err, ErrInvalidArgument)
	var failure *Error
	if !errors.As(err, &failure) || !strings.Contains(failure.Message, "url") {
		t.Fatal(err)
	}
	_, err = Open(context.Background(), With("site", "a\x00b"))
	is(t, err, ErrInvalidArgument)
	_, err = Open(context.Background(), With("site", "\xff"))
	is(t, err, ErrInvalidArgument)
	if all := Options(); !slices.ContainsFunc(all, func(o OptionInfo) bool { return o.Name == "url" && o.Help != "" }) {
		t.Fatal(all)
	}
	_, agent := pair(t, With("site", "site-1"))
	site, err := agent.Info("site")
	ok(t, err)
	if site != "site-1" {
		t.Fatal(site)
	}
	_, err = agent.Info("nothing")
	is(t, err, ErrNotFound)
}

func TestAnotherVersionIsRefused(t *testing.T) {
	ok(t, checkVersion(0x000105, 0x000100))
	for _, library := range []uint32{0x000200, 0x010100} {
		err := checkVersion(library, 0x000100)
		is(t, err, ErrInvalidState)
		if !strings.Contains(err.Error(), versionText(library)) || !strings.Contains(err.Error(), "0.1.0") {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(Version(), "0.1.") {
		t.Fatal(Version())
	}
}
