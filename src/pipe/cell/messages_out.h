// Messages on their way to the pipe's other end, each as a request whose answer takes it: metrics one by one in their
// window, all others whole. What becomes of an attempt is told to the PipeHandler.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "cellnet/cell_calls.h"
#include "config/client_api_config.h"
#include "pipe/cell/metric_window.h"
#include "pipe/pipe.h"
#include "pipe/pipe_handler.h"

namespace flare {

class MessagesOut {
 public:
  // `root_ttl`: for how long what a reply refers to is there.
  MessagesOut(const ClientApiConfig &config, const std::string &peer, Duration root_ttl, CellCalls *cell,
              PipeHandler *handler);

  // Of a batch of metrics one content for each.
  void add(const MessagePtr &message, std::vector<Chain> contents, const SendOptions &options);
  // Without a connection the handler transmits again when there is one.
  void transmit(const std::string &id, bool connected, TimePoint now);
  // What was asked is not any more.
  void stop(const std::string &id, const std::string &reason);
  void forget(const std::string &id, const std::string &reason);

  void clear() { outgoing_.clear(); }

  void on_lost(const std::string &reason, TimePoint now);
  // Nothing happens when it is no answer to one of these.
  void on_answered(const StreamCell::Answered &answered, TimePoint now);
  // Something that a message refers to was fetched: says by whom, in the words of the task. False: by nobody of these.
  bool on_fetched(TransferEvent *event, TimePoint now);

  bool ask_metrics();  // while there is a connection

 private:
  struct Outgoing {
    MessagePtr message;
    std::vector<Chain> contents;
    std::vector<std::string> receivers;
    Duration timeout{};
    std::set<std::string> asked;          // requests under way
    std::optional<TimePoint> fetched_at;  // something of it, last
  };
  struct Asked {
    std::string message_id;
    std::optional<size_t> metric;  // of the batch
  };

  void ask(Outgoing *outgoing, const Chain &content, const std::optional<MetricWindow::Metric> &metric);
  void stop(Outgoing *outgoing, const std::string &reason);
  void lost_here(Outgoing *outgoing, const std::string &reason, TimePoint now);

  ClientApiConfig config_;
  std::string peer_;
  Duration root_ttl_;
  CellCalls *cell_;
  PipeHandler *handler_;
  MetricWindow metrics_;
  std::map<std::string, Outgoing> outgoing_;
  std::map<std::string, Asked> asked_;  // by request
};

}  // namespace flare
