#include "pipe/message.h"

#include <utility>

#include "base/uuid.h"

namespace flare {

std::string task_id_of(const Message &task) { return text_header(task.data, header::kTaskId, task.id); }
std::string task_name_of(const Message &task) { return text_header(task.data, header::kTaskName, task.topic); }

MessagePtr reply_to(const Message &task, Shareable result) {
  auto reply = std::make_shared<Message>();
  reply->kind = MessageKind::kReply;
  reply->topic = task_name_of(task);
  reply->id = new_uuid();
  reply->request_id = task.id;
  reply->data = std::move(result);
  reply->data.headers.set(header::kTaskId, task_id_of(task));
  reply->data.headers.set(header::kTaskName, task_name_of(task));
  if (!reply->data.headers.find(header::kReturnCode)) reply->data.headers.set(header::kReturnCode, "OK");
  return reply;
}

Shareable failed_result(const std::string &return_code, const std::string &reason) {
  Shareable result;
  result.headers.set(header::kReturnCode, return_code);
  result.headers.set(header::kReason, reason);
  return result;
}

}  // namespace flare
