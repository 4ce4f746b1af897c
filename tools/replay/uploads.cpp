#include "uploads.h"

#include "agent/upload_progress.h"

namespace flare::replay {

namespace {

Value value_of(const Json &field) {
  if (field.is_string()) return Value(field.get<std::string>());
  if (field.is_boolean()) return Value(field.get<bool>());
  if (field.is_number_integer()) return Value(field.get<int64_t>());
  if (field.is_number()) return Value(field.get<double>());
  return {};
}

}  // namespace

Map progress_event(const Line &line, const std::optional<std::string> &transaction) {
  Map event;
  event.set("direction", line.maybe_text("dir").value_or("result_upload"));
  if (transaction) event.set("tx_id", *transaction);
  for (const auto &[field, name] :
       {std::pair("ref", "transfer_id"), std::pair("rcv", "receiver_id"), std::pair("seq", "sequence"),
        std::pair("bytes", "bytes_done"), std::pair("items", "items_done"), std::pair("state", "state")}) {
    if (line.has(field)) event.set(name, value_of(line.fields.at(field)));
  }
  return event;
}

void deliver_progress(const Map &event, double now, SubmitGate *gate) {
  UploadProgress progress;
  if (read_upload_progress(event, &progress) == ProgressReading::kUpload) gate->on_progress(progress, now);
}

std::optional<SubmitGate::Abandon> abandon_of(const std::string &what) {
  if (what == "stop") return SubmitGate::Abandon::kAgentStopped;
  if (what == "hstop" || what == "hstop_flag") return SubmitGate::Abandon::kHandlerStopped;
  if (what == "closed") return SubmitGate::Abandon::kPipeClosed;
  return std::nullopt;
}

}  // namespace flare::replay
