#include "runtime/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <mutex>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "base/failure.h"

namespace flare {
namespace {

constexpr size_t kRecentLines = 50;

// Writes each record at once and in one piece, so that processes which share a file do not mix their lines, and
// nothing is lost with a process that is killed. What cannot be written is dropped: a full disk must not stop a
// trainer.
class DescriptorSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit DescriptorSink(const std::string &file) : fd_(file.empty() ? STDERR_FILENO : open_file(file)) {}
  ~DescriptorSink() override {
    if (fd_ != STDERR_FILENO) ::close(fd_);
  }

 protected:
  void sink_it_(const spdlog::details::log_msg &record) override {
    spdlog::memory_buf_t line;
    formatter_->format(record, line);
    for (size_t written = 0; written < line.size();) {
      const ssize_t count = ::write(fd_, line.data() + written, line.size() - written);
      if (count < 0 && errno != EINTR) return;
      if (count > 0) written += static_cast<size_t>(count);
    }
  }
  void flush_() override {}

 private:
  static int open_file(const std::string &file) {
    spdlog::details::os::create_dir(spdlog::details::os::dir_name(file));
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
      throw Failure(FLARE_IO, "cannot write the log_file '" + file + "': " + std::generic_category().message(errno));
    }
    return fd;
  }

  int fd_;
};

// One record is one line, whatever a peer put into its text.
std::string one_line(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code != 0x7f) {
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (c == '\r') {
      line += "\\r";
    } else if (c == '\t') {
      line += "\\t";
    } else {
      line += "\\x";
      line += "0123456789abcdef"[code >> 4];
      line += "0123456789abcdef"[code & 0x0f];
    }
  }
  return line;
}

spdlog::level::level_enum spdlog_level(Log::Level level) {
  switch (level) {
    case Log::Level::kTrace: return spdlog::level::trace;
    case Log::Level::kDebug: return spdlog::level::debug;
    case Log::Level::kInfo: return spdlog::level::info;
    case Log::Level::kWarn: return spdlog::level::warn;
    case Log::Level::kError: break;
  }
  return spdlog::level::err;
}

}  // namespace

struct Log::Sinks {
  std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> recent;
  spdlog::logger logger;
};

Log::Log(const std::string &level, const std::string &file) {
  const auto recent = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(kRecentLines);
  const spdlog::sinks_init_list sinks{std::make_shared<DescriptorSink>(file), recent};
  sinks_ = std::make_shared<Sinks>(Sinks{recent, spdlog::logger("flare_agent", sinks)});
  sinks_->logger.set_level(spdlog::level::from_str(level));
  sinks_->logger.set_formatter(
      std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %L %n: %v", spdlog::pattern_time_type::utc));
}

bool Log::enabled(Level level) const { return sinks_->logger.should_log(spdlog_level(level)); }

void Log::write(Level level, std::string_view text) const {
  if (enabled(level)) sinks_->logger.log(spdlog_level(level), one_line(text));
}

std::vector<std::string> Log::recent() const {
  std::vector<std::string> lines = sinks_->recent->last_formatted();
  for (std::string &line : lines) line.pop_back();  // its end of line
  return lines;
}

}  // namespace flare
