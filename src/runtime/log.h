// Where the library says what it does: stderr or a file, one line per record, and a queue for whoever reads records.
// Built on spdlog, which is seen in log.cpp only; no global state and no registry.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace flare {

// The value of log_file that means no file and not stderr either.
inline constexpr std::string_view kNoLogFile = "none";

// Copies share the file and the queue. Any thread.
class Log {
 public:
  enum class Level { kDebug, kInfo, kWarn, kError };

  struct Record {
    Level level;
    std::string text;  // one line
  };

  // `level` is one of debug, info, warn, error, off; an empty `file` means stderr. The file is appended to, and only
  // its owner may read one that is made here. Throws Failure(FLARE_IO) when it cannot be written.
  Log(const std::string &level, const std::string &file);

  void debug(std::string_view text) const { write(Level::kDebug, text); }
  void info(std::string_view text) const { write(Level::kInfo, text); }
  void warn(std::string_view text) const { write(Level::kWarn, text); }
  void error(std::string_view text) const { write(Level::kError, text); }

  // ---- Reading ----
  // The oldest of the last 1,000 records that was not taken yet. Those that were pushed out leave one that says how
  // many they were.
  std::optional<Record> take() const;
  // Raised while take() would give a record, and for good after end_reading().
  const class LevelFd &unread() const;
  void end_reading() const;

 private:
  struct Sinks;

  void write(Level level, std::string_view text) const;

  std::shared_ptr<Sinks> sinks_;
};

}  // namespace flare
