#include "runtime/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/failure.h"

namespace flare {

struct Log::Sink {
  spdlog::logger logger;
};

namespace {

spdlog::sink_ptr make_sink(const std::string &file) {
  if (file.empty()) return std::make_shared<spdlog::sinks::stderr_sink_mt>();
  try {
    return std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
  } catch (const spdlog::spdlog_ex &error) {
    throw Failure(FLARE_IO, "cannot write the log_file '" + file + "': " + error.what());
  }
}

// One record is one line, whatever a peer put into its text.
std::string one_line(std::string_view text) {
  std::string line(text);
  for (char &c : line) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return line;
}

}  // namespace

Log::Log(const std::string &level, const std::string &file)
    : sink_(std::make_shared<Sink>(Sink{spdlog::logger("flare_agent", make_sink(file))})) {
  sink_->logger.set_level(spdlog::level::from_str(level));
  sink_->logger.flush_on(spdlog::level::info);
  sink_->logger.set_formatter(
      std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %L %n: %v", spdlog::pattern_time_type::utc));
}

void Log::debug(std::string_view text) const {
  if (sink_->logger.should_log(spdlog::level::debug)) sink_->logger.log(spdlog::level::debug, one_line(text));
}
void Log::info(std::string_view text) const {
  if (sink_->logger.should_log(spdlog::level::info)) sink_->logger.log(spdlog::level::info, one_line(text));
}
void Log::warn(std::string_view text) const {
  if (sink_->logger.should_log(spdlog::level::warn)) sink_->logger.log(spdlog::level::warn, one_line(text));
}
void Log::error(std::string_view text) const {
  if (sink_->logger.should_log(spdlog::level::err)) sink_->logger.log(spdlog::level::err, one_line(text));
}

}  // namespace flare
