package flare

// #include <flare_agent.h>
import "C"

import "context"

// UploadState says where an upload stands.
type UploadState int32

// The states of an upload.
const (
	UploadWaiting   UploadState = C.FLARE_UPLOAD_WAITING
	UploadActive    UploadState = C.FLARE_UPLOAD_ACTIVE
	UploadDelivered UploadState = C.FLARE_UPLOAD_DELIVERED
	UploadFailed    UploadState = C.FLARE_UPLOAD_FAILED
)

// Progress says how far an upload is, or one receiver of it.
type Progress struct {
	State                 UploadState
	BytesTotal, BytesDone int64
	ItemsTotal, ItemsDone int64
	BytesPerSecond        float64
	Changes               int64 // counts what there was to see
}

// Receiver is one of those who fetch a result.
type Receiver struct {
	Name string // empty when the peer alone is the receiver
	Progress
}

func newProgress(p *C.flare_progress) Progress {
	return Progress{UploadState(p.state), int64(p.bytes_total), int64(p.bytes_done), int64(p.items_total),
		int64(p.items_done), float64(p.bytes_per_second), int64(p.changes)}
}

// Progress is a snapshot; all zero before the submit.
func (r *Result) Progress() (Progress, error) {
	progress := C.flare_progress{struct_size: C.sizeof_flare_progress}
	err := r.handle.use(func(p *C.flare_result) error {
		return statusError(C.flare_result_progress(p, &progress))
	})
	return newProgress(&progress), err
}

// WaitProgress waits until there is more to see than seen shows, or the upload is settled. Begin with Progress{}.
func (r *Result) WaitProgress(ctx context.Context, seen Progress) (Progress, error) {
	progress := C.flare_progress{struct_size: C.sizeof_flare_progress, changes: C.int64_t(seen.Changes)}
	err := wait(ctx, r.handle, func(p *C.flare_result) C.int { return C.flare_result_progress_poll_fd(p) },
		func(p *C.flare_result, details **C.flare_error) C.flare_status {
			return C.flare_result_wait_progress(p, 0, &progress, details)
		})
	if err != nil {
		return seen, err
	}
	return newProgress(&progress), nil
}

// Receivers is each receiver's part; none before the submit.
func (r *Result) Receivers() ([]Receiver, error) {
	var all []Receiver
	err := r.handle.use(func(p *C.flare_result) error {
		var name *C.char
		part := C.flare_progress{struct_size: C.sizeof_flare_progress}
		for C.flare_result_receiver_at(p, C.size_t(len(all)), &name, &part) == C.FLARE_OK {
			all = append(all, Receiver{C.GoString(name), newProgress(&part)})
		}
		return nil
	})
	return all, err
}
