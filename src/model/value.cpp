#include "model/value.h"

#include <algorithm>
#include <type_traits>

namespace flare {
namespace {

// Up to here a scan is as fast as the index and takes no memory.
constexpr size_t kScanned = 32;

template <flare_value_type kType, typename T>
constexpr bool kHolds = std::is_same_v<std::variant_alternative_t<static_cast<size_t>(kType), Value::Data>, T>;
static_assert(kHolds<FLARE_VALUE_NONE, std::monostate> && kHolds<FLARE_VALUE_BOOL, bool> &&
              kHolds<FLARE_VALUE_INT, int64_t> && kHolds<FLARE_VALUE_DOUBLE, double> &&
              kHolds<FLARE_VALUE_TEXT, std::string> && kHolds<FLARE_VALUE_BYTES, Bytes> &&
              kHolds<FLARE_VALUE_LIST, List> && kHolds<FLARE_VALUE_MAP, Map> && kHolds<FLARE_VALUE_TENSOR, Tensor> &&
              kHolds<FLARE_VALUE_OPAQUE, OpaqueObject>);

}  // namespace

const Value *Map::find(std::string_view key) const {
  if (!index_.empty()) {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &entries_[found->second].second;
  }
  const auto found = std::find_if(begin(), end(), [&](const Entry &entry) { return entry.first == key; });
  return found == end() ? nullptr : &found->second;
}

Value *Map::find(std::string_view key) { return const_cast<Value *>(std::as_const(*this).find(key)); }

void Map::set(std::string_view key, Value value) {
  if (Value *present = find(key)) {
    *present = std::move(value);
    return;
  }
  entries_.emplace_back(std::string(key), std::move(value));
  if (entries_.size() <= kScanned && index_.empty()) return;
  for (size_t i = index_.size(); i < entries_.size(); ++i) index_.emplace(entries_[i].first, i);
}

bool Map::erase(std::string_view key) {
  const auto found = std::find_if(begin(), end(), [&](const Entry &entry) { return entry.first == key; });
  if (found == end()) return false;
  if (!index_.empty()) {
    const auto position = static_cast<size_t>(found - begin());
    index_.erase(found->first);
    for (auto &[name, at] : index_) at -= at > position ? 1 : 0;
  }
  entries_.erase(found);
  return true;
}

size_t Map::size() const { return entries_.size(); }
bool Map::empty() const { return entries_.empty(); }
const Map::Entry &Map::at(size_t index) const { return entries_[index]; }
std::vector<Map::Entry>::const_iterator Map::begin() const { return entries_.begin(); }
std::vector<Map::Entry>::const_iterator Map::end() const { return entries_.end(); }
std::vector<Map::Entry>::iterator Map::begin() { return entries_.begin(); }
std::vector<Map::Entry>::iterator Map::end() { return entries_.end(); }

Value::Value(Bytes bytes) : data_(std::move(bytes)) {}
Value::Value(List list) : data_(std::move(list)) {}
Value::Value(Map map) : data_(std::move(map)) {}
Value::Value(Tensor tensor) : data_(std::move(tensor)) {}
Value::Value(OpaqueObject object) : data_(std::move(object)) {}

std::optional<int64_t> Value::integer() const {
  if (const auto *number = std::get_if<int64_t>(&data_)) return *number;
  if (const auto *truth = std::get_if<bool>(&data_)) return *truth ? 1 : 0;
  return std::nullopt;
}

std::optional<double> Value::number() const {
  if (const auto *number = std::get_if<double>(&data_)) return *number;
  if (const auto *number = std::get_if<int64_t>(&data_)) return static_cast<double>(*number);
  return std::nullopt;
}

}  // namespace flare
