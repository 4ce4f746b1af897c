package flare

// #include <flare_agent.h>
import "C"

import "context"

// LogLevel is the importance of a [LogRecord].
type LogLevel int32

// The levels.
const (
	LogDebug LogLevel = C.FLARE_LOG_DEBUG
	LogInfo  LogLevel = C.FLARE_LOG_INFO
	LogWarn  LogLevel = C.FLARE_LOG_WARN
	LogError LogLevel = C.FLARE_LOG_ERROR
)

// LogRecord is what the library says about itself.
type LogRecord struct {
	Level LogLevel
	Text  string // one line
}

// NextLogRecord waits for a record of the library's own log. [ErrStopped]: the agent was stopped and all is read.
func (a *Agent) NextLogRecord(ctx context.Context) (LogRecord, error) {
	var record *C.flare_log_record
	err := wait(ctx, a.handle, func(p *C.flare_agent) C.int { return C.flare_agent_log_poll_fd(p) },
		func(p *C.flare_agent, details **C.flare_error) C.flare_status {
			return C.flare_agent_next_log_record(p, 0, &record, details)
		})
	if err != nil {
		return LogRecord{}, err
	}
	defer C.flare_log_record_free(record)
	return LogRecord{LogLevel(C.flare_log_record_level(record)), C.GoString(C.flare_log_record_text(record))}, nil
}
