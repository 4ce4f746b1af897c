#include "runtime/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <deque>
#include <mutex>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/failure.h"
#include "runtime/level_fd.h"

namespace flare {
namespace {

constexpr size_t kUnreadRecords = 1000;

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
    case Log::Level::kDebug: return spdlog::level::debug;
    case Log::Level::kInfo: return spdlog::level::info;
    case Log::Level::kWarn: return spdlog::level::warn;
    case Log::Level::kError: break;
  }
  return spdlog::level::err;
}

}  // namespace

struct Log::Sinks {
  spdlog::logger logger;

  LevelFd unread{};
  std::mutex mutex{};  // guards what follows, and the descriptor
  std::deque<Record> records{};
  size_t pushed_out = 0;
  bool ended = false;

  void keep(Record record) {
    std::lock_guard lock(mutex);
    if (records.size() == kUnreadRecords) {
      records.pop_front();
      ++pushed_out;
    }
    records.push_back(std::move(record));
    unread.set(true);
  }

  std::optional<Record> take() {
    std::lock_guard lock(mutex);
    if (records.empty()) return std::nullopt;
    if (const size_t count = std::exchange(pushed_out, 0)) {
      return Record{Level::kWarn,
                    std::to_string(count) + " log records were dropped before this one, as nobody read them"};
    }
    Record record = std::move(records.front());
    records.pop_front();
    unread.set(ended || !records.empty());
    return record;
  }
};

Log::Log(const std::string &level, const std::string &file) {
  std::vector<spdlog::sink_ptr> sinks;
  if (file != kNoLogFile) sinks.push_back(std::make_shared<DescriptorSink>(file));
  sinks_.reset(new Sinks{spdlog::logger("flare_agent", sinks.begin(), sinks.end())});
  sinks_->logger.set_level(spdlog::level::from_str(level));
  sinks_->logger.set_formatter(
      std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %L %n: %v", spdlog::pattern_time_type::utc));
}

void Log::write(Level level, std::string_view text) const {
  if (!sinks_->logger.should_log(spdlog_level(level))) return;
  Record record{level, one_line(text)};
  sinks_->logger.log(spdlog_level(level), record.text);
  sinks_->keep(std::move(record));
}

std::optional<Log::Record> Log::take() const { return sinks_->take(); }

const LevelFd &Log::unread() const { return sinks_->unread; }

void Log::end_reading() const {
  std::lock_guard lock(sinks_->mutex);
  sinks_->ended = true;
  sinks_->unread.set(true);
}

}  // namespace flare
