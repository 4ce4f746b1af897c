// What both programs of the process campaign share: how a task looks, and the lines in which they tell their history:
// "MILLISECONDS WORD ..." of the monotonic clock, which all processes of a machine share.
#pragma once

#include <dirent.h>
#include <unistd.h>

#include <chrono>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "flare_agent.h"

namespace flare_test {

// Thread-safe; a line is written at once, so that a kill leaves whole lines.
__attribute__((format(printf, 1, 2))) inline void say(const char *format, ...) {
  char line[4096];
  const double now =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
  int size = std::snprintf(line, sizeof line, "%.3f ", now);
  va_list arguments;
  va_start(arguments, format);
  size += std::vsnprintf(line + size, sizeof line - static_cast<size_t>(size) - 1, format, arguments);
  va_end(arguments);
  if (size > static_cast<int>(sizeof line) - 2) size = static_cast<int>(sizeof line) - 2;
  line[size] = '\n';
  if (::write(1, line, static_cast<size_t>(size) + 1) < 0) ::_exit(9);
}

inline std::string one_line(std::string text) {
  for (char &c : text) c = c == '\n' || c == '\r' ? ' ' : c;
  return text;
}

// Takes the error away.
inline void say_error(const std::string &what, flare_status status, flare_error *error) {
  say("%s %d %s", what.c_str(), static_cast<int>(status),
      one_line(error != nullptr ? flare_error_message(error) : flare_status_text(status)).c_str());
  flare_error_free(error);
}

// Element `i` of the model of a task; its result has each raised by 1.
inline float element(int task, size_t i) {
  uint64_t x = static_cast<uint64_t>(task + 1) * 0x9e3779b97f4a7c15u + i * 0xbf58476d1ce4e5b9u;
  x ^= x >> 31;
  return static_cast<float>(x % 1000003);
}

inline std::vector<float> model(int task, size_t count, float raised) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = element(task, i) + raised;
  return values;
}

// "right", or what is wrong with the tensor "w".
inline std::string compare(const flare_shareable *shareable, int task, size_t count, float raised) {
  flare_tensor w = FLARE_TENSOR_INIT;
  if (flare_shareable_find_tensor(shareable, "w", &w) != FLARE_OK) return "wrong:no-tensor";
  if (w.dtype != FLARE_FLOAT32 || w.ndim != 1 || w.shape[0] != static_cast<int64_t>(count)) return "wrong:shape";
  const auto *values = static_cast<const float *>(w.data);
  for (size_t i = 0; i < count; ++i) {
    if (values[i] != element(task, i) + raised) return "wrong:element-" + std::to_string(i);
  }
  return "right";
}

inline flare_tensor tensor(const std::vector<float> &values, const int64_t *shape) {
  flare_tensor w = FLARE_TENSOR_INIT;
  w.dtype = FLARE_FLOAT32;
  w.ndim = 1;
  w.shape = shape;
  w.data = const_cast<float *>(values.data());
  return w;
}

// -1 when there is none.
inline int64_t number(const flare_shareable *shareable, const char *name) {
  const flare_value *value = nullptr;
  int64_t number = -1;
  if (flare_value_find(flare_shareable_section(shareable, FLARE_HEADERS), name, &value) == FLARE_OK &&
      flare_value_get_int(value, &number) != FLARE_OK) {
    return -1;
  }
  return number;
}

// How many elements a task says it has; envelopes may have been corrupted on purpose.
inline size_t size_of(const flare_shareable *shareable) {
  const int64_t floats = number(shareable, "floats");
  return floats < 1 || floats > 1 << 22 ? 1 : static_cast<size_t>(floats);
}

// "usage DESCRIPTORS THREADS KIB": what this process holds now.
inline void say_usage() {
  int descriptors = 0;
  if (DIR *folder = ::opendir("/proc/self/fd")) {
    while (::readdir(folder) != nullptr) ++descriptors;
    ::closedir(folder);
  }
  long threads = 0, memory = 0;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Threads:", 0) == 0) threads = std::stol(line.substr(8));
    if (line.rfind("RssAnon:", 0) == 0) memory = std::stol(line.substr(8));
  }
  say("usage %d %ld %ld", descriptors - 3, threads, memory);  // without ".", ".." and the folder
}

}  // namespace flare_test
