#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

namespace flare {
namespace {

template <typename Number>
std::optional<Number> parse_all(std::string_view text) {
  Number number{};
  const char *end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

// Levenshtein's, blind to the case of ASCII letters: URL is a likely slip for url.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

// The well-formed byte sequences of the Unicode standard (table 3-7): a few lead bytes narrow the range of the byte
// after them, which is what keeps out overlong forms, surrogates and what lies beyond U+10FFFF.
bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    if (lead < 0xc2 || lead > 0xf4) return false;
    const size_t end = i + (lead < 0xe0 ? 1u : lead < 0xf0 ? 2u : 3u);
    if (end > text.size()) return false;
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    for (; i < end; ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if (byte < low || byte > high) return false;
      low = 0x80;
      high = 0xbf;
    }
  }
  return true;
}

bool equal_secret(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;  // volatile: or the compiler may leave the loop at the first one
  for (size_t i = 0; i < a.size(); ++i) difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

std::optional<int64_t> parse_int(std::string_view text) { return parse_all<int64_t>(text); }

std::optional<double> parse_double(std::string_view text) {
  const std::optional<double> number = parse_all<double>(text);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

std::string duration_text(Duration duration) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), to_seconds(duration)).ptr;
  return std::string(digits.data(), end) + " s";
}

std::string bytes_text(int64_t done, int64_t total) {
  constexpr int64_t kMebibyte = 1 << 20;
  if (total < 10 * kMebibyte) return std::to_string(done) + " of " + std::to_string(total) + " bytes";
  return std::to_string(done / kMebibyte) + " of " + std::to_string(total / kMebibyte) + " MiB";
}

std::string_view nearest(std::string_view text, const std::string_view *candidates, size_t count) {
  const size_t near = std::max<size_t>(2, text.size() / 3);
  std::string_view best;
  size_t best_distance = near + 1;
  for (size_t i = 0; i < count; ++i) {
    const std::string_view candidate = candidates[i];
    const auto [shorter, longer] = std::minmax({text.size(), candidate.size()});
    if (longer - shorter > near) continue;  // so that a very long text costs nothing
    const size_t distance = edit_distance(text, candidate);
    if (distance == longer) continue;  // nothing in common: two letters are not "near" to two others
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace flare
