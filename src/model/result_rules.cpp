#include "model/result_rules.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/failure.h"

namespace flare {
namespace {

constexpr size_t kMostProblems = 10;

// By name; nested maps and names joined with '/' mean the same.
using Tensors = std::map<std::string, const Tensor *, std::less<>>;

Tensors by_name(const Shareable &shareable) {
  Tensors tensors;
  for (NamedTensor &named : tensors_of(shareable)) tensors.emplace(std::move(named.name), named.tensor);
  return tensors;
}

std::string tensor_named(std::string_view name) { return "tensor '" + std::string(name) + "'"; }

std::string shape_text(const Tensor &tensor) {
  std::string text = "[";
  for (const int64_t dimension : tensor.shape) text += (text.size() > 1 ? ", " : "") + std::to_string(dimension);
  return text + ']';
}

std::string other_shape(std::string_view name, const Tensor &tensor, const Tensor &expected) {
  return tensor_named(name) + " has the shape " + shape_text(tensor) + ", not " + shape_text(expected);
}

// Elements may lie anywhere, also at odd addresses of borrowed memory.
template <typename T>
T load(const Bytes &bytes, size_t index) {
  T element;
  std::memcpy(&element, bytes.data + index * sizeof(T), sizeof(T));
  return element;
}

// ---- Nested maps ---------------------------------------------------------------------------------------------

using Path = std::vector<std::string>;
using Paths = std::map<std::string, Path, std::less<>>;  // by the keys joined with '/'

void collect_nested(const Map &map, const std::string &prefix, Path *path, Paths *paths) {
  for (const auto &[key, value] : map) {
    path->push_back(key);
    if (const Map *inner = value.map()) {
      collect_nested(*inner, prefix + key + '/', path, paths);
    } else if (path->size() > 1 && (value.tensor() != nullptr || value.type() == FLARE_VALUE_BYTES)) {
      paths->emplace(prefix + key, *path);
    }
    path->pop_back();
  }
}

// Nothing else than maps made here is on the way.
void set_at(const Path &path, Value value, Map *map) {
  for (size_t depth = 0; depth + 1 < path.size(); ++depth) {
    if (map->find(path[depth]) == nullptr) map->set(path[depth], Map());
    map = &std::get<Map>(map->find(path[depth])->data());
  }
  map->set(path.back(), std::move(value));
}

// ---- NaN and infinities --------------------------------------------------------------------------------------

constexpr size_t kAtOnce = 1024;  // words

// An element is NaN or infinite when all bits of the mask are set in one of its words. Most models have none, and a
// loop without a count that ends at a known number of words is one that compilers make fast.
template <typename Word, Word kMask>
bool any_masked(const std::byte *at) {
  Word found = 0;
  for (size_t i = 0; i < kAtOnce; ++i) {
    Word word;
    std::memcpy(&word, at + i * sizeof word, sizeof word);
    found = static_cast<Word>(found | static_cast<Word>((word & kMask) == kMask));
  }
  return found != 0;
}

template <typename Word, Word kMask, size_t kWords = 1>
size_t count_masked(const Bytes &bytes) {
  const size_t elements = bytes.size / sizeof(Word) / kWords;
  size_t count = 0;
  for (size_t i = 0; i < elements;) {
    const size_t stop = std::min(elements, i + kAtOnce / kWords);
    if (stop - i == kAtOnce / kWords && !any_masked<Word, kMask>(bytes.data + i * kWords * sizeof(Word))) i = stop;
    for (; i < stop; ++i) {
      bool found = false;
      for (size_t word = 0; word < kWords; ++word) found |= (load<Word>(bytes, i * kWords + word) & kMask) == kMask;
      count += found;
    }
  }
  return count;
}

size_t count_not_finite(const Tensor &tensor) {
  constexpr uint32_t kFloat32 = 0x7f800000;
  constexpr uint64_t kFloat64 = 0x7ff0000000000000;
  switch (tensor.dtype) {
    case FLARE_FLOAT8_E4M3FN: return count_masked<uint8_t, 0x7f>(tensor.bytes);  // it has no infinities
    case FLARE_FLOAT8_E5M2: return count_masked<uint8_t, 0x7c>(tensor.bytes);
    case FLARE_FLOAT16: return count_masked<uint16_t, 0x7c00>(tensor.bytes);
    case FLARE_BFLOAT16: return count_masked<uint16_t, 0x7f80>(tensor.bytes);
    case FLARE_FLOAT32: return count_masked<uint32_t, kFloat32>(tensor.bytes);
    case FLARE_FLOAT64: return count_masked<uint64_t, kFloat64>(tensor.bytes);
    case FLARE_COMPLEX64: return count_masked<uint32_t, kFloat32, 2>(tensor.bytes);
    case FLARE_COMPLEX128: return count_masked<uint64_t, kFloat64, 2>(tensor.bytes);
    default: return 0;
  }
}

// What is wrong with the tensor of this name, or "".
std::string problem(const std::string &name, const Tensor &expected, const Tensors &trained) {
  const auto found = trained.find(name);
  if (found == trained.end()) return tensor_named(name) + " is missing";
  const Tensor &tensor = *found->second;
  if (tensor.shape != expected.shape) return other_shape(name, tensor, expected);
  const size_t bad = count_not_finite(tensor);
  if (bad == 0) return "";
  return tensor_named(name) + " has " + std::to_string(bad) + " of " +
         std::to_string(tensor.bytes.size / element_size(tensor.dtype)) + " elements that are NaN or infinite";
}

// ---- Differences ---------------------------------------------------------------------------------------------

// How elements are stored, the number that one is, and what is stored for a number.
template <typename T>
struct Plain {
  using Stored = T;
  static T number(T stored) { return stored; }
  static T stored(auto number) { return static_cast<T>(number); }  // integers wrap around, as NumPy's do
};

// Neither has a type in C++20. Both round to the nearest number, ties to the even one.
struct Float16 {
  using Stored = uint16_t;

  static float number(uint16_t stored) {
    const uint32_t magnitude = stored & 0x7fffu;
    const uint32_t sign = (stored & 0x8000u) << 16;
    const float subnormal = static_cast<float>(magnitude) * 0x1p-24f;
    const uint32_t rebiased = (magnitude << 13) + (magnitude >= kInfinity ? 0x70000000u : 0x38000000u);
    return std::bit_cast<float>((magnitude < 0x0400 ? std::bit_cast<uint32_t>(subnormal) : rebiased) | sign);
  }

  static uint16_t stored(auto wide) {
    const auto number = static_cast<float>(wide);
    const uint32_t bits = std::bit_cast<uint32_t>(number);
    const uint32_t magnitude = bits & 0x7fffffffu;
    // The sum has the last place of a subnormal, so that the addition rounds as it should.
    const uint32_t subnormal = std::bit_cast<uint32_t>(std::fabs(number) + 0.5f) - std::bit_cast<uint32_t>(0.5f);
    const uint32_t normal = (magnitude - 0x38000000u + 0x0fffu + (magnitude >> 13 & 1)) >> 13;
    uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
    if (magnitude >= 0x477ff000) half = kInfinity;  // 65520 and more
    if (magnitude > 0x7f800000) half = kNan;
    return static_cast<uint16_t>(half | (bits >> 16 & 0x8000u));
  }

 private:
  static constexpr uint32_t kInfinity = 0x7c00;
  static constexpr uint32_t kNan = 0x7e00;
};

struct BFloat16 {
  using Stored = uint16_t;

  static float number(uint16_t stored) { return std::bit_cast<float>(uint32_t{stored} << 16); }

  static uint16_t stored(auto wide) {
    const uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(wide));
    const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;  // rounded, it could become an infinity
    return static_cast<uint16_t>((is_nan ? bits | 0x00400000u : bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
  }
};

template <typename Result, typename Model>
Bytes subtract(const Bytes &result, const Bytes &model) {
  using Stored = typename Result::Stored;
  Block block(result.size);
  for (size_t i = 0; i < result.size / sizeof(Stored); ++i) {
    const Stored difference =
        Result::stored(Result::number(load<Stored>(result, i)) - Model::number(load<typename Model::Stored>(model, i)));
    std::memcpy(block.data() + i * sizeof(Stored), &difference, sizeof(Stored));
  }
  return block.share();
}

bool is_integer(flare_dtype dtype) { return dtype >= 0 && (dtype & 0xff) <= 1; }

bool is_complex(flare_dtype dtype) { return dtype == FLARE_COMPLEX64 || dtype == FLARE_COMPLEX128; }

// A complex number is subtracted as its two parts.
flare_dtype part_of(flare_dtype dtype) {
  if (dtype == FLARE_COMPLEX64) return FLARE_FLOAT32;
  return dtype == FLARE_COMPLEX128 ? FLARE_FLOAT64 : dtype;
}

// Calls `act` with how elements of a floating type are stored; false for other types.
template <typename Act>
bool with_floating(flare_dtype dtype, Act act) {
  switch (dtype) {
    case FLARE_FLOAT16: return act(Float16()), true;
    case FLARE_BFLOAT16: return act(BFloat16()), true;
    case FLARE_FLOAT32: return act(Plain<float>()), true;
    case FLARE_FLOAT64: return act(Plain<double>()), true;
    default: return false;
  }
}

// Signed integers are subtracted as unsigned ones: the bits are the same, and nothing overflows.
Bytes subtract_integers(size_t size, const Bytes &result, const Bytes &model) {
  switch (size) {
    case 1: return subtract<Plain<uint8_t>, Plain<uint8_t>>(result, model);
    case 2: return subtract<Plain<uint16_t>, Plain<uint16_t>>(result, model);
    case 4: return subtract<Plain<uint32_t>, Plain<uint32_t>>(result, model);
    default: return subtract<Plain<uint64_t>, Plain<uint64_t>>(result, model);
  }
}

[[noreturn]] void refuse(const std::string &what) {
  throw Failure(FLARE_INVALID_ARGUMENT, what + ": use params_transfer_type FULL");
}

// Floating types may be mixed, as a model can be trained with more digits than it travels with.
Tensor difference(const std::string &name, const Tensor &tensor, const Tensors &model) {
  const auto found = model.find(name);
  if (found == model.end()) refuse(tensor_named(name) + " is not in the task's model, so it has no difference");
  const Tensor &base = *found->second;
  if (tensor.shape != base.shape) throw Failure(FLARE_INVALID_ARGUMENT, other_shape(name, tensor, base));
  Tensor made{tensor.dtype, tensor.shape, {}};
  if (is_integer(tensor.dtype) && tensor.dtype == base.dtype) {
    made.bytes = subtract_integers(element_size(tensor.dtype), tensor.bytes, base.bytes);
    return made;
  }
  bool subtracted = false;
  const bool known = with_floating(part_of(tensor.dtype), [&](auto result) {
    if (is_complex(tensor.dtype) != is_complex(base.dtype)) return;
    subtracted = with_floating(part_of(base.dtype), [&](auto other) {
      made.bytes = subtract<decltype(result), decltype(other)>(tensor.bytes, base.bytes);
    });
  });
  if (subtracted) return made;
  if (known || is_integer(tensor.dtype)) {
    refuse(tensor_named(name) + " is of " + dtype_name(tensor.dtype) + ", but of " + dtype_name(base.dtype) +
           " in the task's model, which has no difference");
  }
  refuse(tensor_named(name) + " is of " + dtype_name(tensor.dtype) + ", which has no difference");
}

Map differences(const Map &body, const std::string &prefix, const Tensors &model) {
  Map made;
  for (const auto &[key, value] : body) {
    const std::string name = prefix + key;
    if (const Tensor *tensor = value.tensor()) {
      made.set(key, difference(name, *tensor, model));
    } else if (const Map *inner = value.map()) {
      made.set(key, differences(*inner, name + '/', model));
    } else if (value.type() == FLARE_VALUE_BYTES) {
      refuse(tensor_named(name) + " is of opaque, which has no difference");
    } else {
      refuse("'" + name + "' is no tensor, so it has no difference");
    }
  }
  return made;
}

}  // namespace

void carry_headers(const Shareable &task, Shareable *result) {
  for (const std::string_view name :
       {header::kCurrentRound, header::kNumRounds, header::kValidateType, header::kModelOwner}) {
    const Value *asked = task.headers.find(name);
    if (asked != nullptr && result->headers.find(name) == nullptr) result->headers.set(name, *asked);
  }
}

void nest_tensors(const Shareable &task, Shareable *result) {
  const auto is_joined = [](const auto &entry) { return entry.first.find('/') != std::string::npos; };
  if (std::none_of(result->body.begin(), result->body.end(), is_joined)) return;
  Paths paths;
  Path path;
  collect_nested(task.body, "", &path, &paths);
  Map made;
  for (auto &[key, value] : result->body) {
    const auto nested = paths.find(key);
    const bool is_nested =
        nested != paths.end() && task.body.find(key) == nullptr && result->body.find(nested->second.front()) == nullptr;
    if (is_nested) {
      set_at(nested->second, std::move(value), &made);
    } else {
      made.set(key, std::move(value));
    }
  }
  result->body = std::move(made);
}

bool is_model(const Shareable &result) {
  const bool has_weights = result.kind == kind::kWeights || result.kind == kind::kWeightDiff;
  return has_weights && text_header(result, header::kReturnCode, "OK") == "OK";
}

void check_model(const Shareable &task, const Shareable &result) {
  const Tensors trained = by_name(result);
  std::string problems;
  size_t count = 0;
  for (const auto &[name, expected] : tensors_of(task)) {
    const std::string found = problem(name, *expected, trained);
    if (found.empty()) continue;
    problems += (count > 0 ? "; " : "") + found;
    if (++count == kMostProblems) break;
  }
  if (count > 0) throw Failure(FLARE_INVALID_ARGUMENT, "the result does not fit the model: " + problems);
}

void subtract_model(const Shareable &task, Shareable *result) {
  result->body = differences(result->body, "", by_name(task));
  result->kind = kind::kWeightDiff;
}

}  // namespace flare
