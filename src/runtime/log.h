// Where the library says what it does: stderr or a file, one line per record. Built on spdlog, which is seen in
// log.cpp only; no global state and no registry.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace flare {

// Copies share the file and the recent lines. Any thread.
class Log {
 public:
  enum class Level { kTrace, kDebug, kInfo, kWarn, kError };

  // `level` is one of trace, debug, info, warn, error, off; an empty `file` means stderr. The file is appended to,
  // and only its owner may read one that is made here. Throws Failure(FLARE_IO) when it cannot be written.
  Log(const std::string &level, const std::string &file);

  // For texts that are costly to make.
  bool enabled(Level level) const;

  void trace(std::string_view text) const { write(Level::kTrace, text); }
  void debug(std::string_view text) const { write(Level::kDebug, text); }
  void info(std::string_view text) const { write(Level::kInfo, text); }
  void warn(std::string_view text) const { write(Level::kWarn, text); }
  void error(std::string_view text) const { write(Level::kError, text); }

  // The last 50 lines, the oldest first.
  std::vector<std::string> recent() const;

 private:
  struct Sinks;

  void write(Level level, std::string_view text) const;

  std::shared_ptr<Sinks> sinks_;
};

}  // namespace flare
