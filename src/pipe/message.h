// What a pipe carries between agent and exchanger.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "model/shareable.h"

namespace flare {

enum class MessageKind { kRequest, kReply };

namespace topic {
inline constexpr std::string_view kEnd = "_END_";
inline constexpr std::string_view kAbort = "_ABORT_";           // of the job
inline constexpr std::string_view kAbortTask = "_ABORT_TASK_";  // of the task in the header __task_id__ (W-14)
inline constexpr std::string_view kPeerGone = "_PEER_GONE_";    // never on the wire
inline constexpr std::string_view kHeartbeat = "_HEARTBEAT_";   // of NVFlare's own pipes
inline constexpr std::string_view kMetric = "metric";
inline constexpr std::string_view kStreamProgress = "_STREAM_PROGRESS_";  // of a transfer; no sign of life (PH-04)
}  // namespace topic

// PH-16. Immutable once made: a message that is sent again is the same message.
struct Message {
  MessageKind kind = MessageKind::kRequest;
  std::string topic;
  std::string id;
  std::string request_id;  // of the question, for a reply
  Shareable data;
};

using MessagePtr = std::shared_ptr<const Message>;

// AG-09: the id and name of a task are in its headers, and in those of its answer.
std::string task_id_of(const Message &task);
std::string task_name_of(const Message &task);

MessagePtr reply_to(const Message &task, Shareable result);
// A result that says why there is none.
Shareable failed_result(const std::string &return_code, const std::string &reason);

// Why a message is not taken. For good: sending it again is of no use.
struct Refusal {
  std::string reason;
  bool for_good = false;
};

}  // namespace flare
