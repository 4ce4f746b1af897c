#include "driver.hpp"
#include "elements.hpp"

namespace {

using flare::Result;

// The elements of a shape; none when it makes no sense, which is for the library to say.
size_t count_of(const Result::Shape &shape) {
  constexpr int64_t kMost = int64_t{1} << 28;
  int64_t count = 1;
  for (const int64_t extent : shape) {
    if (extent < 0 || extent > kMost || count * extent > kMost) return 0;
    count *= extent;
  }
  return static_cast<size_t>(count);
}

Json put(Driver &driver, const Json &request) {
  const std::string name = text(request, "name");
  const auto shape = request.at("shape").get<Result::Shape>();
  flare_tensor tensor = FLARE_TENSOR_INIT;
  tensor.dtype = dtype_named(text(request, "dtype"));
  tensor.ndim = static_cast<int32_t>(shape.size());
  tensor.shape = shape.data();
  auto elements =
      std::make_unique<Elements>(make_elements(tensor.dtype, count_of(shape), request.at("start").get<int64_t>()));
  tensor.data = elements->data();
  if (text(request, "how") == "copy") {
    driver.result->copy(name, tensor);
  } else {  // C++ owns as it borrows: by keeping the vector
    driver.result->borrow(name, tensor);
    driver.borrowed.push_back(std::move(elements));
  }
  return ok();
}

Json echo_task(Driver &driver, const Json & /*request*/) {
  echo(driver);
  return ok();
}

Json put_bytes(Driver &driver, const Json &request) {
  const std::string digits = text(request, "hex");
  std::string content;
  for (size_t i = 0; i < digits.size(); i += 2)
    content += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  driver.result->bytes(text(request, "name"), content);
  return ok();
}

Json set(Driver &driver, const Json &request) {
  const flare_section section = section_of(request);
  const std::string name = text(request, "name");
  const Json &value = request.at("value");
  if (value.is_number_integer())
    driver.result->set_int(section, name, value.get<int64_t>());
  else if (value.is_number_float())
    driver.result->set_double(section, name, value.get<double>());
  else if (value.is_string())
    driver.result->set_text(section, name, value.get<std::string>());
  else
    driver.result->set_json(section, name, value.dump());
  return ok();
}

Json set_metric(Driver &driver, const Json &request) {
  driver.result->metric(text(request, "name"), request.at("value").get<double>());
  return ok();
}

Json set_steps(Driver &driver, const Json &request) {
  driver.result->steps(request.at("value").get<int64_t>());
  return ok();
}

Json set_kind(Driver &driver, const Json &request) {
  driver.result->kind(text(request, "value"));
  return ok();
}

Json set_return_code(Driver &driver, const Json &request) {
  driver.result->return_code(text(request, "value"));
  return ok();
}

Json submit(Driver &driver, const Json & /*request*/) {
  driver.result->submit();
  return ok();
}

Json wait(Driver &driver, const Json &request) {
  const flare_level level = text(request, "level") == "accepted" ? FLARE_ACCEPTED : FLARE_DELIVERED;
  const auto limit = timeout(request);
  if (limit.count() >= 0) return in_time(driver.result->wait(level, limit));
  driver.result->wait(level);
  return ok();
}

Json finish(Driver &driver, const Json &request) {
  const auto limit = timeout(request);
  if (limit.count() >= 0) return in_time(driver.result->finish(limit));
  driver.result->finish();
  return ok();
}

Json progress(Driver &driver, const Json & /*request*/) {
  constexpr const char *kStates[] = {"WAITING", "ACTIVE", "DELIVERED", "FAILED"};
  const flare_progress progress = driver.result->progress();
  return {{"status", "OK"},
          {"state", kStates[progress.state]},
          {"bytes_total", progress.bytes_total},
          {"bytes_done", progress.bytes_done}};
}

Json cancel(Driver &driver, const Json & /*request*/) {
  driver.result->cancel();
  return ok();
}

Json drop_result(Driver &driver, const Json & /*request*/) {
  driver.drop_result();
  return ok();
}

}  // namespace

void echo(Driver &driver) {
  const flare::Shareable data = driver.task->data();
  for (size_t i = 0; i < data.tensor_count(); ++i) {
    const auto [name, tensor] = data.at(i);
    driver.result->copy(std::string(name), tensor.view());
  }
}

const Operations &result_operations() {
  static const Operations all = {
      {"put", {Needs::kResult, put}},
      {"echo", {Needs::kResult, echo_task}},
      {"put_bytes", {Needs::kResult, put_bytes}},
      {"set", {Needs::kResult, set}},
      {"set_metric", {Needs::kResult, set_metric}},
      {"set_steps", {Needs::kResult, set_steps}},
      {"set_kind", {Needs::kResult, set_kind}},
      {"set_return_code", {Needs::kResult, set_return_code}},
      {"submit", {Needs::kResult, submit}},
      {"wait", {Needs::kResult, wait}},
      {"finish", {Needs::kResult, finish}},
      {"progress", {Needs::kResult, progress}},
      {"cancel", {Needs::kResult, cancel}},
      {"drop_result", {Needs::kResult, drop_result}},
  };
  return all;
}
