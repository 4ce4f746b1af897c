// Where the library says what it does: stderr or a file, one line per record. Built on spdlog, which is seen in
// log.cpp only; no global state and no registry.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace flare {

class Log {
 public:
  // `level` is one of trace, debug, info, warn, error, off; an empty `file` means stderr. Throws
  // Failure(FLARE_IO) when the file cannot be written.
  Log(const std::string &level, const std::string &file);

  void debug(std::string_view text) const;
  void info(std::string_view text) const;
  void warn(std::string_view text) const;
  void error(std::string_view text) const;

 private:
  struct Sink;
  std::shared_ptr<Sink> sink_;
};

}  // namespace flare
