#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

#include "base/failure.h"
#include "capi/boundary.h"
#include "capi/handles.h"

using flare::checked_timeout;
using flare::Draft;
using flare::Exchanger;
using flare::Failure;
using flare::guarded;
using flare::hand_out;
using flare::is_usable;
using flare::MessagePtr;
using flare::nonempty_text;
using flare::Outcome;
using flare::Request;
using flare::required;
using flare::Shareable;
using flare::text;
using flare::to_c;
using flare::usable;

namespace {

// Kept by each call, so that a close in another thread does not take the exchanger away under it.
std::shared_ptr<Exchanger> exchanger_of(const flare_exchanger *exchanger) {
  return usable(exchanger, "exchanger")->exchanger;
}

std::string task_name(const char *name) {
  const std::string_view checked = nonempty_text(name, "task_name");
  namespace topic = flare::topic;
  constexpr std::array kReserved = {topic::kEnd, topic::kAbort, topic::kAbortTask, topic::kPeerGone};
  if (std::find(kReserved.begin(), kReserved.end(), checked) != kReserved.end()) {
    throw Failure(FLARE_INVALID_ARGUMENT, "'" + std::string(checked) + "' is no name for a task: FLARE uses it itself");
  }
  return std::string(checked);
}

void require_draft(const flare_request *request) {
  if (request->shareable.sent) {
    throw Failure(FLARE_INVALID_STATE, "task '" + request->request->task_name + "' was sent already");
  }
}

int64_t checked_round(int64_t round) {
  if (round < -1) throw Failure(FLARE_INVALID_ARGUMENT, "round " + std::to_string(round) + ": 0 or more, or -1");
  return round;
}

void set_round(Draft *draft, std::string_view header, int64_t round) {
  if (round < 0) {
    draft->drop_header(header);
  } else {
    draft->set_header(header, round);
  }
}

// Declared, and not this exchanger itself.
bool is_another_receiver(const flare_reply &reply, const std::string &name) {
  const auto &receivers = reply.request->receivers;  // not changed after the send
  const auto found = std::find(receivers.begin(), receivers.end(), name);
  return found != receivers.end() && found != receivers.begin();
}

}  // namespace

// ---- Exchanger -----------------------------------------------------------------------------------------------

flare_status flare_exchanger_open(const flare_options *options, flare_exchanger **exchanger,
                                  flare_error **error) noexcept {
  return guarded(error, [&] {
    required(exchanger, "exchanger");
    auto handle = std::make_unique<flare_exchanger>();
    handle->exchanger = Exchanger::open(flare::resolve(options ? options->values : flare::Options()));
    *exchanger = handle.release();
    return FLARE_OK;
  });
}

const char *flare_exchanger_url(const flare_exchanger *exchanger) noexcept {
  return exchanger ? exchanger->exchanger->url().c_str() : "";
}

flare_status flare_exchanger_wait_connected(flare_exchanger *exchanger, int64_t timeout_ms,
                                            flare_error **error) noexcept {
  return guarded(error, [&] { return exchanger_of(exchanger)->wait_connected(checked_timeout(timeout_ms)); });
}

int flare_exchanger_connected_poll_fd(const flare_exchanger *exchanger) noexcept {
  return is_usable(exchanger) ? exchanger->exchanger->connected_fd() : -1;
}

flare_state flare_exchanger_state(const flare_exchanger *exchanger) noexcept {
  flare_state state = FLARE_STATE_STOPPED;
  guarded(nullptr, [&] {
    if (is_usable(exchanger)) state = exchanger->exchanger->state();
    return FLARE_OK;
  });
  return state;
}

flare_status flare_exchanger_end(flare_exchanger *exchanger, const char *reason, flare_error **error) noexcept {
  return guarded(error, [&] { return exchanger_of(exchanger)->end(std::string(text(reason, "reason"))); });
}

flare_status flare_exchanger_abort(flare_exchanger *exchanger, const char *reason, flare_error **error) noexcept {
  return guarded(error, [&] { return exchanger_of(exchanger)->abort(std::string(text(reason, "reason"))); });
}

void flare_exchanger_stop(flare_exchanger *exchanger) noexcept {
  if (!is_usable(exchanger)) return;
  guarded(nullptr, [&] {
    exchanger->exchanger->stop();
    return FLARE_OK;
  });
}

void flare_exchanger_close(flare_exchanger *exchanger) noexcept {
  if (!is_usable(exchanger)) return;
  guarded(nullptr, [&] {
    exchanger->exchanger->close();
    return FLARE_OK;
  });
  delete exchanger;
}

// ---- Request -------------------------------------------------------------------------------------------------

flare_status flare_request_new(flare_exchanger *exchanger, const char *name, flare_request **request,
                               flare_error **error) noexcept {
  return guarded(error, [&] {
    const auto owner = exchanger_of(exchanger);
    required(request, "request");
    auto content = std::make_shared<Request>();
    content->task_name = task_name(name);
    *request = new flare_request{owner, std::move(content), {Draft(), owner->settings().limits}};
    return FLARE_OK;
  });
}

void flare_request_free(flare_request *request) noexcept {
  if (!is_usable(request)) return;
  flare_request_abort(request);  // does nothing before the send or when the reply is there; waits for borrowed tensors
  delete request;
}

flare_shareable *flare_request_shareable(flare_request *request) noexcept {
  return request ? &request->shareable : nullptr;
}

flare_status flare_request_set_id(flare_request *request, const char *task_id, flare_error **error) noexcept {
  return guarded(error, [&] {
    require_draft(usable(request, "request"));
    request->request->id = nonempty_text(task_id, "task_id");
    return FLARE_OK;
  });
}

flare_status flare_request_set_round(flare_request *request, int64_t current, int64_t total,
                                     flare_error **error) noexcept {
  return guarded(error, [&] {
    Draft &draft = usable(request, "request")->shareable.writable();
    checked_round(current), checked_round(total);
    set_round(&draft, flare::header::kCurrentRound, current);
    set_round(&draft, flare::header::kNumRounds, total);
    return FLARE_OK;
  });
}

flare_status flare_request_set_attempt(flare_request *request, int64_t attempt, flare_error **error) noexcept {
  return guarded(error, [&] {
    require_draft(usable(request, "request"));
    if (attempt < 1) throw Failure(FLARE_INVALID_ARGUMENT, "attempt " + std::to_string(attempt) + ": the first is 1");
    request->request->attempt = attempt;
    return FLARE_OK;
  });
}

flare_status flare_request_add_receiver(flare_request *request, const char *receiver, flare_error **error) noexcept {
  return guarded(error, [&] {
    require_draft(usable(request, "request"));
    const std::string name(nonempty_text(receiver, "receiver"));
    if (name.size() > flare::wire::kMaxReceiver) {
      throw Failure(FLARE_INVALID_ARGUMENT, "a receiver's name of " + std::to_string(name.size()) + " bytes: at most " +
                                                std::to_string(flare::wire::kMaxReceiver) + " are allowed");
    }
    auto &receivers = request->request->receivers;
    if (std::find(receivers.begin(), receivers.end(), name) != receivers.end()) return FLARE_OK;
    if (receivers.size() >= request->exchanger->settings().limits.max_receivers) {
      throw Failure(FLARE_TOO_LARGE, std::to_string(receivers.size()) + " receivers are declared already");
    }
    receivers.push_back(name);
    return FLARE_OK;
  });
}

flare_status flare_request_send(flare_request *request, flare_error **error) noexcept {
  return guarded(error, [&] {
    flare_shareable &content = usable(request, "request")->shareable;
    Outcome outcome = request->exchanger->send(request->request, content.finish(), content.lent);
    if (outcome.status == FLARE_OK) content.sent = true;
    return outcome;
  });
}

flare_status flare_request_wait(flare_request *request, int64_t timeout_ms, flare_reply **reply,
                                flare_error **error) noexcept {
  return guarded(error, [&] {
    usable(request, "request"), required(reply, "reply");
    MessagePtr message;
    Outcome outcome = request->exchanger->wait(*request->request, checked_timeout(timeout_ms), &message);
    if (outcome.status == FLARE_OK) {
      *reply = new flare_reply{request->exchanger, request->request, message,
                               flare_shareable(std::shared_ptr<const Shareable>(message, &message->data))};
    }
    return outcome;
  });
}

int flare_request_poll_fd(const flare_request *request) noexcept {
  return is_usable(request) ? request->exchanger->done_fd(*request->request) : -1;
}

void flare_request_abort(flare_request *request) noexcept {
  if (!is_usable(request)) return;
  guarded(nullptr, [&] {
    request->exchanger->abort(request->request, "nobody wants its result any more");
    return FLARE_OK;
  });
}

// ---- Reply ---------------------------------------------------------------------------------------------------

flare_status flare_reply_report(flare_reply *reply, const char *receiver, int64_t bytes, flare_error **error) noexcept {
  return guarded(error, [&]() -> Outcome {
    usable(reply, "reply"), text(receiver, "receiver");
    if (bytes < 0) throw Failure(FLARE_INVALID_ARGUMENT, std::to_string(bytes) + " bytes: 0 or more");
    if (!is_another_receiver(*reply, receiver)) return {FLARE_NOT_FOUND, ""};
    return reply->exchanger->report(*reply->message, receiver, bytes);
  });
}

flare_status flare_reply_confirm(flare_reply *reply, const char *receiver, int32_t success, const char *reason,
                                 flare_error **error) noexcept {
  return guarded(error, [&]() -> Outcome {
    usable(reply, "reply"), text(receiver, "receiver");
    const std::string why = reason ? std::string(text(reason, "reason")) : std::string();
    if (!is_another_receiver(*reply, receiver)) return {FLARE_NOT_FOUND, ""};
    return reply->exchanger->confirm(*reply->message, receiver, success != 0, why);
  });
}

void flare_reply_free(flare_reply *reply) noexcept {
  if (is_usable(reply)) delete reply;
}

const flare_shareable *flare_reply_shareable(const flare_reply *reply) noexcept {
  return reply ? &reply->shareable : nullptr;
}

// ---- Metrics -------------------------------------------------------------------------------------------------

flare_status flare_exchanger_next_metric(flare_exchanger *exchanger, int64_t timeout_ms, flare_metric **metric,
                                         flare_error **error) noexcept {
  return guarded(error, [&] {
    const auto owner = exchanger_of(exchanger);
    required(metric, "metric");
    return hand_out(
        metric, [&](flare_metric *handle) { return owner->next_metric(checked_timeout(timeout_ms), &handle->metric); });
  });
}

int flare_exchanger_metric_poll_fd(const flare_exchanger *exchanger) noexcept {
  return is_usable(exchanger) ? exchanger->exchanger->metric_fd() : -1;
}

void flare_metric_free(flare_metric *metric) noexcept {
  if (is_usable(metric)) delete metric;
}

const char *flare_metric_type(const flare_metric *metric) noexcept { return metric ? metric->metric.type.c_str() : ""; }
const char *flare_metric_name(const flare_metric *metric) noexcept { return metric ? metric->metric.name.c_str() : ""; }
const flare_value *flare_metric_value(const flare_metric *metric) noexcept {
  return metric ? to_c(&metric->metric.value) : nullptr;
}
int64_t flare_metric_step(const flare_metric *metric) noexcept { return metric ? metric->metric.step : FLARE_NO_STEP; }
const char *flare_metric_path(const flare_metric *metric) noexcept { return metric ? metric->metric.path.c_str() : ""; }
