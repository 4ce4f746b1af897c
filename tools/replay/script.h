// Golden traces: scripts of inputs and what came of them, one flat JSON object a line.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace flare::replay {

using Json = nlohmann::json;

struct Line {
  size_t number = 0;  // in its file
  Json fields;

  bool has(const char *name) const { return fields.contains(name); }
  bool is_null(const char *name) const;  // absent as well
  // Each throws std::runtime_error when the field is absent or of another type.
  std::string text(const char *name) const;
  double number_of(const char *name) const;
  int64_t integer(const char *name) const;
  bool flag(const char *name) const;  // true, false, 0 or 1
  // nullopt for null and for absent fields.
  std::optional<std::string> maybe_text(const char *name) const;
  std::optional<double> maybe_number(const char *name) const;
  std::optional<int64_t> maybe_integer(const char *name) const;

  std::string op() const { return has("op") ? text("op") : ""; }
  std::string ev() const { return has("ev") ? text("ev") : ""; }
};

struct Script {
  std::string file;
  std::string kind;
  int64_t number = 0;
  std::vector<Line> lines;  // from "new" to "end"

  const Line &head() const { return lines.front(); }
  const Line &end() const { return lines.back(); }
};

// Plain or gzipped. Throws std::runtime_error for what cannot be read or is no trace.
void read_scripts(const std::string &file, const std::function<void(const Script &)> &take);

// What differed in one script.
class Report {
 public:
  void differ(const Line &line, const std::string &what, const std::string &expected, const std::string &got);
  void skip() { skipped_ = true; }

  // Each compares one field of the line with what came out; nothing is said while they agree.
  void expect(const Line &line, const char *field, const Json &got);
  void expect_time(const Line &line, const char *field, double got, double tolerance);

  bool passed() const { return differences_.empty(); }
  bool skipped() const { return skipped_; }
  const std::vector<std::string> &differences() const { return differences_; }

 private:
  std::vector<std::string> differences_;
  bool skipped_ = false;
};

// nullopt becomes null.
template <typename T>
Json maybe(const std::optional<T> &value) {
  return value ? Json(*value) : Json();
}

// The words of a comma list; none for an empty or absent text.
std::vector<std::string> split(const std::optional<std::string> &list);

}  // namespace flare::replay
