#include "config/option_value.h"

#include <algorithm>
#include <limits>

#include "base/failure.h"
#include "base/text.h"
#include "config/curve_keys.h"

namespace flare {

namespace {

constexpr double kLongestSeconds = 10 * 365 * 24 * 3600.0;  // sums of a few with a TimePoint do not overflow
constexpr size_t kLongestText = 4096;
constexpr size_t kLongestAgentId = 128;

[[noreturn]] void refuse(const std::string &text) { throw Failure(FLARE_INVALID_ARGUMENT, text); }

}  // namespace

Duration parse_duration(std::string_view text, const char *instead_of_zero) {
  const std::optional<double> seconds = parse_double(text);
  if (!seconds || *seconds < 0 || *seconds > kLongestSeconds) {
    refuse("is not a number of seconds above 0 and up to 315360000 (ten years)");
  }
  const Duration duration = from_seconds(*seconds);
  if (duration == Duration::zero()) refuse(std::string("is no time at all; ") + instead_of_zero);
  return duration;
}

std::optional<Duration> parse_duration_or_none(std::string_view text, const char *instead_of_zero) {
  if (text == "none") return std::nullopt;
  return parse_duration(text, instead_of_zero);
}

uint64_t parse_size(std::string_view text) {
  struct Unit {
    std::string_view name;
    uint64_t bytes;
  };
  constexpr Unit kUnits[] = {{"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40}};
  uint64_t unit = 1;
  for (const Unit &candidate : kUnits) {
    if (!text.ends_with(candidate.name)) continue;
    text.remove_suffix(candidate.name.size());
    unit = candidate.bytes;
    break;
  }
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  const std::optional<int64_t> number = parse_int(text);
  if (!number || *number < 1 || static_cast<uint64_t>(*number) > kMost / unit) {
    refuse("is not a size: write a whole number of bytes above 0, or one followed by KiB, MiB, GiB or TiB");
  }
  return static_cast<uint64_t>(*number) * unit;
}

int64_t parse_count(std::string_view text, int64_t least, int64_t most) {
  const std::optional<int64_t> number = parse_int(text);
  if (!number || *number < least || *number > most) {
    refuse("is not a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return *number;
}

std::optional<int64_t> parse_count_or_unlimited(std::string_view text, int64_t least, int64_t most) {
  if (text == "unlimited") return std::nullopt;
  return parse_count(text, least, most);
}

bool parse_flag(std::string_view text) {
  if (text == "true" || text == "1" || text == "yes") return true;
  if (text == "false" || text == "0" || text == "no") return false;
  refuse("is neither true (1, yes) nor false (0, no)");
}

std::string parse_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  std::string known;
  for (const std::string_view word : words) {
    if (text == word) return std::string(text);
    known.append(known.empty() ? "" : ", ").append(word);
  }
  refuse("is none of " + known);
}

std::string parse_secret(std::string_view text) {
  if (text.size() > kLongestText) refuse("is longer than " + std::to_string(kLongestText) + " bytes");
  if (!is_utf8(text)) refuse("is not UTF-8");
  return std::string(text);
}

std::string parse_text(std::string_view text) {
  const auto is_control = [](char letter) { return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f; };
  if (std::any_of(text.begin(), text.end(), is_control)) refuse("has control characters");
  return parse_secret(text);
}

std::string parse_name(std::string_view text) {
  if (text.empty()) refuse("is empty");
  return parse_text(text);
}

std::string parse_agent_id(std::string_view text) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
  if (text.empty() || text.size() > kLongestAgentId || text.find_first_not_of(kLetters) != std::string_view::npos) {
    refuse("is not 1 to " + std::to_string(kLongestAgentId) + " of the characters A-Z a-z 0-9 _ . -");
  }
  return std::string(text);
}

std::string parse_public_key(std::string_view text) {
  if (!text.empty() && !is_curve_key(text)) {
    refuse("is not a public key: it has 40 characters and stands behind 'public' in a file of flare-agent keys");
  }
  return std::string(text);
}

std::string parse_rank(std::string_view text) {
  if (text != "auto" && text != "ignore" && parse_int(text).value_or(-1) < 0) {
    refuse("is neither auto nor ignore nor a rank from 0 on");
  }
  return std::string(text);
}

}  // namespace flare
