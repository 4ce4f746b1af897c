package flare

// #include <flare_agent.h>
import "C"

// Status says what became of a call. As an error it is what errors.Is compares an [Error] with.
type Status int32

// The statuses. Those above zero are expected outcomes: [Agent.NextTask] ends with ErrEnded when the job does.
const (
	ErrTimeout         Status = C.FLARE_TIMEOUT
	ErrEnded           Status = C.FLARE_ENDED
	ErrStopped         Status = C.FLARE_STOPPED
	ErrNotFound        Status = C.FLARE_NOT_FOUND
	ErrInvalidArgument Status = C.FLARE_INVALID_ARGUMENT
	ErrInvalidState    Status = C.FLARE_INVALID_STATE
	ErrPeerGone        Status = C.FLARE_PEER_GONE
	ErrAborted         Status = C.FLARE_ABORTED
	ErrStalled         Status = C.FLARE_STALLED
	ErrProtocol        Status = C.FLARE_PROTOCOL
	ErrIO              Status = C.FLARE_IO
	ErrOutOfMemory     Status = C.FLARE_OUT_OF_MEMORY
	ErrForked          Status = C.FLARE_FORKED
	ErrInternal        Status = C.FLARE_INTERNAL
	ErrRefused         Status = C.FLARE_REFUSED
	ErrUnreachable     Status = C.FLARE_UNREACHABLE
	ErrTooLarge        Status = C.FLARE_TOO_LARGE
)

// Error is a short text for the status.
func (s Status) Error() string { return C.GoString(C.flare_status_text(C.flare_status(s))) }

// Error is a call that was not successful.
type Error struct {
	Status  Status
	Message string // what happened and what to do
}

func (e *Error) Error() string { return "flare: " + e.Message }

// Unwrap gives the status, for errors.Is.
func (e *Error) Unwrap() error { return e.Status }

// ErrClosed is the answer of what was closed. It is an [ErrStopped] too.
var ErrClosed error = &Error{ErrStopped, "this agent, task or result was closed"}

// statusError is for functions without details.
func statusError(status C.flare_status) error {
	if status == C.FLARE_OK {
		return nil
	}
	return &Error{Status(status), Status(status).Error()}
}

// takeError makes an error of a status and of the details that came with it, which it releases.
func takeError(status C.flare_status, details *C.flare_error) error {
	if details == nil {
		return statusError(status)
	}
	defer C.flare_error_free(details)
	return &Error{Status(status), C.GoString(C.flare_error_message(details))}
}
