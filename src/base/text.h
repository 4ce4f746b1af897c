// Small helpers for text: validity, numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace flare {

bool is_utf8(std::string_view text);

// The same time for equal and unequal texts of one length, for tokens.
bool equal_secret(std::string_view a, std::string_view b);

// Whole text or nothing, whatever the locale. Doubles are finite: no text means NaN or infinity.
std::optional<int64_t> parse_int(std::string_view text);
std::optional<double> parse_double(std::string_view text);

std::string duration_text(Duration duration);         // "600 s", "0.5 s"
std::string bytes_text(int64_t done, int64_t total);  // "10 of 100 bytes", "12 of 64 MiB"

// The candidate that is most like `text` (the first of several), or empty when none is near: for "did you mean".
std::string_view nearest(std::string_view text, const std::string_view *candidates, size_t count);

}  // namespace flare
