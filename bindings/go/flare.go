// Package flare lets a Go program take part in NVIDIA FLARE jobs.
//
//	agent, err := flare.FromEnv(ctx)
//	...
//	defer agent.Close()
//	for task, err := range agent.Tasks(ctx) {
//		...
//		weights, err := flare.Get[float32](task, "w")
//		...
//		result, err := task.NewResult()
//		...
//		err = errors.Join(flare.Copy(result, "w", train(weights)), result.SetSteps(100))
//		...
//		err = result.Finish(ctx)
//	}
//
// Meanings and rules are those of flare_agent.h; each function here is the one of like name there. What is different,
// everywhere:
//
//   - Errors. What is not FLARE_OK is an [Error], and errors.Is tells which: errors.Is(err, flare.ErrPeerGone).
//   - Waiting parks a goroutine and no thread. It ends at once with the context, whose error it then returns.
//   - Closing. Close what you opened or took, in any order and as often as you like. What is closed answers with
//     [ErrClosed]; that also ends the waits of other goroutines. What becomes unreachable is closed in the end too.
package flare

/*
#cgo pkg-config: flare_agent
#include <flare_agent.h>

#if FLARE_VERSION_MAJOR != 0 || FLARE_VERSION_MINOR != 1
#error "this Go package is written for flare_agent.h 0.1: take the package of the version that is installed"
#endif
*/
import "C"

import "fmt"

// Version is the version of the library in use, for example "0.1.0".
func Version() string { return versionText(uint32(C.flare_version())) }

// Shutdown closes every agent of this process. Call it where the program leaves by os.Exit, which runs no deferred
// calls, so that submitted results survive it.
func Shutdown() { C.flare_shutdown() }

func versionText(version uint32) string {
	return fmt.Sprintf("%d.%d.%d", version>>16, version>>8&0xff, version&0xff)
}

// checkVersion says whether a library can serve a package that was compiled with that header. While the major version
// is 0 a new minor version may change the interface.
func checkVersion(library, header uint32) error {
	if library>>8 == header>>8 {
		return nil
	}
	return &Error{ErrInvalidState, fmt.Sprintf("the library libflare_agent found at run time is version %s, but this "+
		"program was compiled for %s: run it with the library of that version, or compile it again",
		versionText(library), versionText(header))}
}
