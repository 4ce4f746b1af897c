package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/flare-agent/flare-agent-go"
)

// request is a line of standard input: the fields of all requests.
type request struct {
	Op         string            `json:"op"`
	Options    map[string]string `json:"options"`
	TimeoutMS  int64             `json:"timeout_ms"`
	AfterMS    int64             `json:"after_ms"`
	Name       string            `json:"name"`
	Section    string            `json:"section"`
	DType      string            `json:"dtype"`
	Shape      []int64           `json:"shape"`
	Start      int64             `json:"start"`
	How        string            `json:"how"`
	Hex        string            `json:"hex"`
	Value      json.RawMessage   `json:"value"`
	Level      string            `json:"level"`
	ReturnCode string            `json:"return_code"`
	Reason     string            `json:"reason"`
	Step       *int64            `json:"step"`
	Type       string            `json:"type"`
	Count      int64             `json:"count"`
	AfterClose string            `json:"after_close"`
}

// answer is a line of standard output.
type answer map[string]any

var statusNames = map[flare.Status]string{
	flare.ErrTimeout: "TIMEOUT", flare.ErrEnded: "ENDED", flare.ErrStopped: "STOPPED", flare.ErrNotFound: "NOT_FOUND",
	flare.ErrInvalidArgument: "INVALID_ARGUMENT", flare.ErrInvalidState: "INVALID_STATE",
	flare.ErrPeerGone: "PEER_GONE", flare.ErrAborted: "ABORTED", flare.ErrStalled: "STALLED",
	flare.ErrProtocol: "PROTOCOL", flare.ErrIO: "IO", flare.ErrOutOfMemory: "OUT_OF_MEMORY",
	flare.ErrForked: "FORKED", flare.ErrInternal: "INTERNAL", flare.ErrRefused: "REFUSED",
	flare.ErrUnreachable: "UNREACHABLE", flare.ErrTooLarge: "TOO_LARGE",
}

// outcome adds the status, and the message of a failure, to the other fields of an answer.
func outcome(err error, fields answer) answer {
	var failure *flare.Error
	switch {
	case err == nil && fields == nil:
		return answer{"status": "OK"}
	case err == nil:
		fields["status"] = "OK"
		return fields
	case errors.Is(err, context.DeadlineExceeded):
		return answer{"status": "TIMEOUT"}
	case errors.Is(err, context.Canceled):
		return answer{"status": "INTERRUPTED"}
	case errors.As(err, &failure) && failure.Status > 0 && !errors.Is(err, flare.ErrClosed):
		return answer{"status": statusNames[failure.Status]}
	case failure != nil:
		return answer{"status": statusNames[failure.Status], "message": failure.Message}
	}
	return answer{"status": "INTERNAL", "message": err.Error()}
}

// patience is a context for a timeout; -1 is for ever. A context that is over from the start would not even look.
func patience(milliseconds int64) (context.Context, context.CancelFunc) {
	if milliseconds < 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), time.Duration(max(milliseconds, 1))*time.Millisecond)
}

// text is the value of a request that must be a text.
func (r request) text() string {
	var text string
	_ = json.Unmarshal(r.Value, &text)
	return text
}

func (r request) number() float64 {
	var number float64
	_ = json.Unmarshal(r.Value, &number)
	return number
}

func (r request) step() int64 {
	if r.Step == nil {
		return flare.NoStep
	}
	return *r.Step
}

// nested is the value as Result.Set distinguishes it: int64, float64, string, or all else as it was written.
func (r request) nested() any {
	decoder := json.NewDecoder(bytes.NewReader(r.Value))
	decoder.UseNumber()
	var value any
	_ = decoder.Decode(&value)
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			return whole
		}
		fraction, _ := value.Float64()
		return fraction
	}
	return r.Value
}
