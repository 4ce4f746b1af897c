#include "config/curve_keys.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/failure.h"
#include "config/small_file.h"

namespace flare {

namespace {

constexpr std::string_view kZ85 =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
constexpr size_t kKeyLength = 40;
constexpr std::string_view kSecret = "secret";
constexpr std::string_view kPublic = "public";

std::string_view take_word(std::string_view *line) {
  constexpr std::string_view kSpace = " \t\r";
  line->remove_prefix(std::min(line->find_first_not_of(kSpace), line->size()));
  const std::string_view word = line->substr(0, line->find_first_of(kSpace));
  line->remove_prefix(word.size());
  return word;
}

std::string_view take_line(std::string_view *text) {
  const std::string_view line = text->substr(0, text->find('\n'));
  text->remove_prefix(std::min(line.size() + 1, text->size()));
  return line;
}

// The keys of the file, all of the same kind.
std::vector<std::string> read_keys(const std::string &path, std::string_view kind) {
  const std::string name = "key file " + path;
  const SmallFile file = read_small_file("key file", path);
  const bool secret = kind == kSecret;
  if (secret && (file.mode & 077u) != 0) {
    refuse_file(name, "it holds a secret key, and others than its owner may use it: run chmod 600 " + path);
  }
  if (!secret && (file.mode & 022u) != 0) {
    refuse_file(name, "it says whom to trust, and others than its owner may change it: run chmod go-w " + path);
  }
  std::vector<std::string> keys;
  std::string_view text = file.content;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = take_line(&text);
    const std::string_view word = take_word(&line);
    if (word.empty() || word.starts_with('#')) continue;
    const auto refuse_line = [&](const char *why) { refuse_file(name, "line " + std::to_string(number) + why); };
    if (word != kSecret && word != kPublic) {
      refuse_line(" begins neither with 'secret' nor with 'public': flare-agent keys makes such files");
    }
    if (word != kind) {
      refuse_line(secret ? " has a public key where a secret one belongs"
                         : " has a secret key where a public one belongs");
    }
    const std::string_view key = take_word(&line);
    if (!is_curve_key(key)) {
      refuse_line(secret ? " has no key of 40 characters behind 'secret'"
                         : " has no key of 40 characters behind 'public'");
    }
    keys.emplace_back(key);
  }
  if (keys.empty()) refuse_file(name, "it has no line 'public KEY' or 'secret KEY'");
  return keys;
}

std::string read_one_key(const std::string &path, std::string_view kind) {
  const std::vector<std::string> keys = read_keys(path, kind);
  if (keys.size() > 1) refuse_file("key file " + path, "it has more than one key");
  return keys.front();
}

[[noreturn]] void do_not_fit(const std::string &text) { throw Failure(FLARE_INVALID_ARGUMENT, text); }

}  // namespace

bool is_curve_key(std::string_view text) {
  if (text.size() != kKeyLength) return false;
  for (size_t i = 0; i < text.size(); i += 5) {
    uint64_t value = 0;  // each five characters are four bytes
    for (const char letter : text.substr(i, 5)) {
      const size_t digit = kZ85.find(letter);
      if (digit == std::string_view::npos) return false;
      value = value * kZ85.size() + digit;
    }
    if (value > std::numeric_limits<uint32_t>::max()) return false;
  }
  return true;
}

std::optional<CurveKeys> curve_keys_of_agent(const Settings &settings) {
  const bool has_key = !settings.curve_exchanger_key.empty(), has_file = !settings.curve_exchanger_key_file.empty();
  if (settings.curve_secret_key_file.empty() && !has_key && !has_file) return std::nullopt;
  if (settings.curve_secret_key_file.empty()) {
    do_not_fit("an agent that knows its exchanger's key needs its own as well: set the option curve_secret_key_file");
  }
  if (!has_key && !has_file) {
    do_not_fit(
        "an agent with the option curve_secret_key_file needs its exchanger's public key as well: set the option "
        "curve_exchanger_key_file or curve_exchanger_key");
  }
  if (has_key && has_file)
    do_not_fit("curve_exchanger_key and curve_exchanger_key_file are both set: take one of them away");
  CurveKeys keys;
  keys.secret = read_one_key(settings.curve_secret_key_file, kSecret);
  keys.exchanger = has_key ? settings.curve_exchanger_key : read_one_key(settings.curve_exchanger_key_file, kPublic);
  return keys;
}

std::optional<CurveKeys> curve_keys_of_exchanger(const Settings &settings) {
  if (settings.curve_secret_key_file.empty() && settings.curve_admitted_keys_file.empty()) return std::nullopt;
  if (settings.curve_secret_key_file.empty()) {
    do_not_fit(
        "an exchanger with the option curve_admitted_keys_file needs a key of its own: set the option "
        "curve_secret_key_file");
  }
  if (settings.curve_admitted_keys_file.empty()) {
    do_not_fit(
        "an exchanger with the option curve_secret_key_file must know whom to admit: set the option "
        "curve_admitted_keys_file");
  }
  CurveKeys keys;
  keys.secret = read_one_key(settings.curve_secret_key_file, kSecret);
  const std::vector<std::string> admitted = read_keys(settings.curve_admitted_keys_file, kPublic);
  keys.admitted.insert(admitted.begin(), admitted.end());
  return keys;
}

}  // namespace flare
