package flare

import (
	"context"
	"runtime"
	"sync"
)

// handle owns an object of C for several goroutines. Whoever calls C is a user meanwhile, and the last one releases
// the object: a release never waits for a user, nor finds one in the middle of a call.
type handle[Pointer any] struct {
	pointer Pointer
	free    func(Pointer) // must not refer to the handle, which would keep it from being collected
	closing context.Context
	letGo   context.CancelFunc
	freed   chan struct{}

	mu    sync.Mutex
	users int // the owner is one until it lets go
}

func newHandle[Pointer any](pointer Pointer, free func(Pointer)) *handle[Pointer] {
	h := &handle[Pointer]{pointer: pointer, free: free, freed: make(chan struct{}), users: 1}
	h.closing, h.letGo = context.WithCancel(context.Background())
	// Not in the goroutine of all finalizers: a release may take its time.
	runtime.SetFinalizer(h, func(h *handle[Pointer]) { go h.release() })
	return h
}

// use lets call have the object. The object and the handle live until it returns, or panics.
func (h *handle[Pointer]) use(call func(Pointer) error) error {
	h.mu.Lock()
	if h.closing.Err() != nil {
		h.mu.Unlock()
		return ErrClosed
	}
	h.users++
	h.mu.Unlock()
	defer h.drop()
	return call(h.pointer)
}

func (h *handle[Pointer]) drop() {
	h.mu.Lock()
	h.users--
	last := h.users == 0
	h.mu.Unlock()
	if last {
		h.free(h.pointer)
		close(h.freed)
	}
	runtime.KeepAlive(h)
}

// release ends the waits and lets go; h.freed is closed when the object is gone.
func (h *handle[Pointer]) release() {
	h.mu.Lock()
	first := h.closing.Err() == nil
	h.letGo()
	h.mu.Unlock()
	if first {
		h.drop()
	}
}
