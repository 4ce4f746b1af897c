package flare

// #include <flare_agent.h>
import "C"

// Option is a setting of an agent, for [Open].
type Option struct {
	Name, Value string
}

// With sets an option, for example With("url", "zmq+ipc:///run/site-1"). Durations are in seconds, sizes in bytes.
func With(name, value string) Option { return Option{Name: name, Value: value} }

// OptionInfo describes an option.
type OptionInfo struct {
	Name, Default, Help string
}

// Options is the table of known options.
func Options() []OptionInfo {
	var all []OptionInfo
	var name, value, help *C.char
	for C.flare_option_describe(C.size_t(len(all)), &name, &value, &help) == C.FLARE_OK {
		all = append(all, OptionInfo{C.GoString(name), C.GoString(value), C.GoString(help)})
	}
	return all
}

// withOptions lets use have the options as C wants them.
func withOptions(options []Option, use func(*C.flare_options) error) error {
	all := C.flare_options_new()
	if all == nil {
		return statusError(C.FLARE_OUT_OF_MEMORY)
	}
	defer C.flare_options_free(all)
	for _, option := range options {
		err := call(func(texts []*C.char, details **C.flare_error) C.flare_status {
			return C.flare_options_set(all, texts[0], texts[1], details)
		}, option.Name, option.Value)
		if err != nil {
			return err
		}
	}
	return use(all)
}
