package flare

// #include <flare_agent.h>
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// wait parks the goroutine until look has something else to say than FLARE_TIMEOUT, ctx ends or the handle is closed.
// The descriptor only tells when to look again. Go's poller wants to own what it polls, so it gets a duplicate.
func wait[Pointer any](ctx context.Context, h *handle[Pointer], descriptor func(Pointer) C.int,
	look func(Pointer, **C.flare_error) C.flare_status) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	again := func() error {
		return h.call(func(p Pointer, _ []*C.char, details **C.flare_error) C.flare_status { return look(p, details) })
	}
	err := again()
	if !errors.Is(err, ErrTimeout) {
		return err
	}
	var file *os.File
	if err := h.use(func(p Pointer) (err error) { file, err = duplicate(descriptor(p)); return }); err != nil {
		return err
	}
	defer file.Close()
	connection, err := file.SyscallConn()
	if err != nil {
		return err
	}
	wake := func() { _ = file.SetReadDeadline(time.Unix(1, 0)) }
	defer context.AfterFunc(ctx, wake)()
	defer context.AfterFunc(h.closing, wake)()
	// Read calls the function whenever the descriptor became readable, until it returns true.
	var outcome error
	err = connection.Read(func(uintptr) bool {
		outcome = again()
		return !errors.Is(outcome, ErrTimeout)
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		outcome, err = ErrClosed, nil
	}
	if ctx.Err() != nil && (err != nil || errors.Is(outcome, ErrStopped)) { // it may have stopped the agent as well
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return outcome
}

func duplicate(descriptor C.int) (*os.File, error) {
	own, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(descriptor), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return nil, &Error{ErrIO, fmt.Sprintf("no descriptor to wait with: %v", errno)}
	}
	return os.NewFile(own, "flare_agent"), nil
}
