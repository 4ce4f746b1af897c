#include "script.h"

#include <zlib.h>

#include <array>
#include <cmath>
#include <memory>
#include <stdexcept>

namespace flare::replay {

namespace {

const Json &field(const Line &line, const char *name) {
  const auto found = line.fields.find(name);
  if (found == line.fields.end()) {
    throw std::runtime_error("line " + std::to_string(line.number) + " has no field '" + name + "'");
  }
  return *found;
}

[[noreturn]] void wrong(const Line &line, const char *name, const char *type) {
  throw std::runtime_error("line " + std::to_string(line.number) + ": field '" + name + "' is no " + type);
}

// Reads lines of any length; gzread passes plain files through.
class LineReader {
 public:
  explicit LineReader(const std::string &file) : file_(gzopen(file.c_str(), "rb"), gzclose) {
    if (!file_) throw std::runtime_error(file + ": cannot be opened");
  }
  bool next(std::string *line) {
    line->clear();
    for (;;) {
      if (position_ == size_ && !fill()) return !line->empty();
      const char letter = buffer_[position_++];
      if (letter == '\n') return true;
      *line += letter;
    }
  }

 private:
  bool fill() {
    const int got = gzread(file_.get(), buffer_.data(), static_cast<unsigned>(buffer_.size()));
    if (got < 0) throw std::runtime_error("the file is damaged");
    position_ = 0;
    size_ = static_cast<size_t>(got);
    return size_ > 0;
  }

  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
  std::array<char, 1 << 16> buffer_;
  size_t position_ = 0, size_ = 0;
};

}  // namespace

bool Line::is_null(const char *name) const { return !has(name) || field(*this, name).is_null(); }

std::string Line::text(const char *name) const {
  const Json &value = field(*this, name);
  if (!value.is_string()) wrong(*this, name, "text");
  return value.get<std::string>();
}

double Line::number_of(const char *name) const {
  const Json &value = field(*this, name);
  if (!value.is_number()) wrong(*this, name, "number");
  return value.get<double>();
}

int64_t Line::integer(const char *name) const {
  const Json &value = field(*this, name);
  if (!value.is_number_integer()) wrong(*this, name, "integer");
  return value.get<int64_t>();
}

bool Line::flag(const char *name) const {
  const Json &value = field(*this, name);
  if (value.is_boolean()) return value.get<bool>();
  if (!value.is_number_integer()) wrong(*this, name, "flag");
  return value.get<int64_t>() != 0;
}

std::optional<std::string> Line::maybe_text(const char *name) const {
  return is_null(name) ? std::nullopt : std::optional(text(name));
}
std::optional<double> Line::maybe_number(const char *name) const {
  return is_null(name) ? std::nullopt : std::optional(number_of(name));
}
std::optional<int64_t> Line::maybe_integer(const char *name) const {
  return is_null(name) ? std::nullopt : std::optional(integer(name));
}

void read_scripts(const std::string &file, const std::function<void(const Script &)> &take) {
  LineReader reader(file);
  std::optional<Script> script;
  std::string text;
  for (size_t number = 1; reader.next(&text); ++number) {
    if (text.empty()) continue;
    const std::string where = file + ":" + std::to_string(number);
    Line line{number, Json::parse(text, nullptr, false)};
    if (!line.fields.is_object()) throw std::runtime_error(where + ": no JSON object");
    if (line.op() == "new") {
      if (script) throw std::runtime_error(where + ": a script begins before the last one ended");
      script = Script{file, line.text("kind"), line.integer("script"), {}};
    }
    if (!script) throw std::runtime_error(where + ": outside of any script");
    const bool last = line.op() == "end";
    script->lines.push_back(std::move(line));
    if (!last) continue;
    take(*script);
    script.reset();
  }
  if (script) throw std::runtime_error(file + ": the last script does not end");
}

void Report::differ(const Line &line, const std::string &what, const std::string &expected, const std::string &got) {
  differences_.push_back("line " + std::to_string(line.number) + " " + line.fields.dump() + "\n      " + what +
                         ": expected " + expected + ", got " + got);
}

void Report::expect(const Line &line, const char *field, const Json &got) {
  const auto found = line.fields.find(field);
  const Json expected = found == line.fields.end() ? Json() : *found;
  // A number that is whole may be written either way, a flag as 0 or 1.
  if (expected == got) return;
  if (expected.is_number_integer() && got.is_boolean() && (expected.get<int64_t>() != 0) == got.get<bool>()) return;
  differ(line, field, expected.dump(), got.dump());
}

void Report::expect_time(const Line &line, const char *field, double got, double tolerance) {
  const double expected = line.number_of(field);
  if (std::abs(expected - got) <= tolerance) return;
  differ(line, field, Json(expected).dump() + " +- " + Json(tolerance).dump(), Json(got).dump());
}

std::vector<std::string> split(const std::optional<std::string> &list) {
  std::vector<std::string> words;
  if (!list || list->empty()) return words;
  size_t begin = 0;
  for (size_t comma = list->find(','); comma != std::string::npos; comma = list->find(',', begin)) {
    words.push_back(list->substr(begin, comma - begin));
    begin = comma + 1;
  }
  words.push_back(list->substr(begin));
  return words;
}

}  // namespace flare::replay
