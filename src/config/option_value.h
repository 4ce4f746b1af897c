// What the texts of option values mean. Each function throws Failure(FLARE_INVALID_ARGUMENT) with the end of a sentence
// that begins with the value: "is not ...".
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace flare {

// `instead_of_zero` says what to write when 0 was meant to say something.
Duration parse_duration(std::string_view text, const char *instead_of_zero);
std::optional<Duration> parse_duration_or_none(std::string_view text, const char *instead_of_zero);

uint64_t parse_size(std::string_view text);
int64_t parse_count(std::string_view text, int64_t least, int64_t most);
std::optional<int64_t> parse_count_or_unlimited(std::string_view text, int64_t least, int64_t most);
bool parse_flag(std::string_view text);
std::string parse_one_of(std::string_view text, std::initializer_list<std::string_view> words);

std::string parse_secret(std::string_view text);  // anything that fits
std::string parse_text(std::string_view text);    // without control characters
std::string parse_name(std::string_view text);    // and not empty
std::string parse_agent_id(std::string_view text);
std::string parse_public_key(std::string_view text);  // of CURVE, or empty
std::string parse_rank(std::string_view text);        // auto, ignore, or a number

}  // namespace flare
