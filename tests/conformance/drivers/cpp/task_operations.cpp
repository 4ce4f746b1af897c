#include <stdexcept>
#include <thread>
#include <unordered_map>

#include "driver.hpp"
#include "elements.hpp"

namespace {

Json is_aborted(Driver &driver, const Json &request) {
  const auto deadline = std::chrono::steady_clock::now() + timeout(request);
  while (!driver.task->is_aborted() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return {{"status", "OK"}, {"aborted", driver.task->is_aborted()}};
}

Json data(Driver &driver, const Json & /*request*/) {
  constexpr const char *kParamsTypes[] = {"NONE", "FULL", "DIFF"};
  const flare::Shareable data = driver.task->data();
  const auto steps = data.steps();
  return {{"status", "OK"},
          {"kind", data.kind()},
          {"params_type", kParamsTypes[data.params_type()]},
          {"return_code", data.return_code()},
          {"reason", data.reason()},
          {"steps", steps ? Json(*steps) : Json(nullptr)}};
}

Json metric(Driver &driver, const Json &request) {
  const auto value = driver.task->data().metric(text(request, "name"));
  if (!value) return {{"status", "NOT_FOUND"}};
  return {{"status", "OK"}, {"value", *value}};
}

Json to_json(const flare::Value &value);

Json to_json_list(const flare::Value &list) {
  Json entries = Json::array();
  for (size_t i = 0; i < list.count(); ++i) entries.push_back(to_json(list.at(i).second));
  return entries;
}

Json to_json_map(const flare::Value &map) {
  Json entries = Json::object();
  for (size_t i = 0; i < map.count(); ++i) {
    const auto [key, child] = map.at(i);
    entries[std::string(key)] = to_json(child);
  }
  return entries;
}

std::string hex(std::string_view bytes) {
  std::string digits;
  for (const char character : bytes) {
    const unsigned byte = static_cast<unsigned char>(character);
    digits += "0123456789abcdef"[byte >> 4];
    digits += "0123456789abcdef"[byte & 15];
  }
  return digits;
}

Json to_json(const flare::Value &value) {
  switch (value.type()) {
    case FLARE_VALUE_BOOL: return *value.as_int() != 0;
    case FLARE_VALUE_INT: return *value.as_int();
    case FLARE_VALUE_DOUBLE: return *value.as_double();
    case FLARE_VALUE_TEXT: return *value.as_text();
    case FLARE_VALUE_BYTES: return {{"$bytes", hex(*value.as_bytes())}};
    case FLARE_VALUE_LIST: return to_json_list(value);
    case FLARE_VALUE_MAP: return to_json_map(value);
    case FLARE_VALUE_OPAQUE: return {{"$opaque", *value.as_text()}};
    case FLARE_VALUE_TENSOR: return {{"$tensor", dtype_name(value.as_tensor()->dtype())}};
    default: return nullptr;
  }
}

Json section(Driver &driver, const Json &request) {
  return {{"status", "OK"}, {"value", to_json(driver.task->data().section(section_of(request)))}};
}

Json tensors(Driver &driver, const Json & /*request*/) {
  const flare::Shareable data = driver.task->data();
  Json list = Json::array();
  for (size_t i = 0; i < data.tensor_count(); ++i) {
    const auto [name, tensor] = data.at(i);
    list.push_back(
        {{"name", name}, {"dtype", dtype_name(tensor.dtype())}, {"shape", tensor.shape()}, {"hash", hash_of(tensor)}});
  }
  return {{"status", "OK"}, {"tensors", list}};
}

using Read = std::string (*)(const flare::Shareable &data, const std::string &name);

template <typename T>
std::string read_as(const flare::Shareable &data, const std::string &name) {
  const std::vector<T> elements = data.vector<T>(name);
  return hash_of(elements.data(), elements.size() * sizeof(T));
}

// std::vector<bool> has no elements in memory.
std::string read_bools(const flare::Shareable &data, const std::string &name) {
  const auto tensor = data.find(name);
  const size_t count = tensor ? tensor->count() : 0;
  const auto elements = std::make_unique<bool[]>(count);
  data.read(name, elements.get(), count);
  return hash_of(elements.get(), count);
}

const std::unordered_map<std::string, Read> &typed_reads() {
  static const std::unordered_map<std::string, Read> all = {
      {"int8", read_as<int8_t>},     {"int16", read_as<int16_t>},   {"int32", read_as<int32_t>},
      {"int64", read_as<int64_t>},   {"uint8", read_as<uint8_t>},   {"uint16", read_as<uint16_t>},
      {"uint32", read_as<uint32_t>}, {"uint64", read_as<uint64_t>}, {"float32", read_as<float>},
      {"float64", read_as<double>},  {"bool", read_bools},
  };
  return all;
}

// For what C++ has no type of its own.
std::string read_raw(const flare::Shareable &data, const std::string &name, flare_dtype dtype) {
  const auto tensor = data.find(name);
  const size_t count = tensor ? tensor->count() : 0;
  Elements elements(count * flare_dtype_size(dtype));
  flare::call(flare_shareable_read_tensor, data.handle(), name.c_str(), dtype, static_cast<void *>(elements.data()),
              count);
  return hash_of(elements.data(), elements.size());
}

Json read(Driver &driver, const Json &request) {
  const flare::Shareable data = driver.task->data();
  const std::string name = text(request, "name");
  const std::string dtype = text(request, "dtype");
  const auto typed = typed_reads().find(dtype);
  const std::string hash =
      typed == typed_reads().end() ? read_raw(data, name, dtype_named(dtype)) : typed->second(data, name);
  return {{"status", "OK"}, {"shape", data.find(name)->shape()}, {"hash", hash}};
}

Json result(Driver &driver, const Json & /*request*/) {
  flare::Result made = driver.task->result();
  driver.drop_result();
  driver.result = std::move(made);
  return ok();
}

Json fail(Driver &driver, const Json &request) {
  driver.task->fail(text(request, "return_code"), text(request, "reason"));
  return ok();
}

Json drop_task(Driver &driver, const Json & /*request*/) {
  driver.drop_task();
  return ok();
}

// The task goes with the scope of whoever makes the mistake, as it does in a loop over tasks().
[[noreturn]] void make_mistake(flare::Task task) {
  throw std::runtime_error("a mistake of the user's own in task " + std::string(task.id()));
}

Json panic(Driver &driver, const Json & /*request*/) {
  driver.drop_result();
  flare::Task task = std::move(*driver.task);
  driver.task.reset();
  try {
    make_mistake(std::move(task));
  } catch (const std::runtime_error &) {
    return ok();
  }
}

}  // namespace

const Operations &task_operations() {
  static const Operations all = {
      {"is_aborted", {Needs::kTask, is_aborted}}, {"data", {Needs::kTask, data}},
      {"metric", {Needs::kTask, metric}},         {"section", {Needs::kTask, section}},
      {"tensors", {Needs::kTask, tensors}},       {"read", {Needs::kTask, read}},
      {"result", {Needs::kTask, result}},         {"fail", {Needs::kTask, fail}},
      {"drop_task", {Needs::kTask, drop_task}},   {"panic", {Needs::kTask, panic}},
  };
  return all;
}
