// NVFlare's own pipe up to 2.8 (CellPipe), the trainer's end: tasks, results and metrics as FOBS messages on a cell,
// arrays by NVFlare's download service. It decides nothing itself: it carries events to the state machines and their
// actions to the cell.
//
// Delivered means: the client job process has taken the result, and whoever it hands the result to, as a rule the
// server's job, has fetched every array.
//
// Up means: the cell of the site is there, through which all goes. Whether the client job process has its end of the
// pipe open is not known before its first task: it says nothing earlier, and waits itself for our heartbeats. So
// silence counts only from the first sign of it on, and connect_timeout is that of the site's cell.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/name_lock.h"
#include "cellnet/cell_client.h"
#include "config/client_api_config.h"
#include "config/settings.h"
#include "fobs/message.h"
#include "fobs/value_read.h"
#include "pipe/cell/array_download.h"
#include "pipe/cell/array_source.h"
#include "pipe/cell/cell_name.h"
#include "pipe/cell/metric_window.h"
#include "pipe/cell/name_watch.h"
#include "pipe/cell/peer_search.h"
#include "pipe/pipe.h"
#include "pipe/pipe_handler.h"
#include "runtime/log.h"
#include "runtime/loop.h"

namespace flare {

class CellPipe : public Pipe, private CellClientListener {
 public:
  // Opens the connection at once. Throws Failure: FLARE_INVALID_ARGUMENT for what the configuration cannot mean,
  // FLARE_REFUSED when another process has the same cell, FLARE_IO. To be made and destroyed in the loop.
  CellPipe(const Settings &settings, const ClientApiConfig &config, CellNaming naming, Loop *loop, Log log,
           PipeListener *listener);
  ~CellPipe() override;

  void send(const MessagePtr &message, const SendOptions &options) override;
  void cancel(const std::string &id, flare_status status, const std::string &reason) override;
  PipeStats stats() const override;
  void close(const std::string &reason) override;

 private:
  // A message on its way out: until it is accepted and what it carries is fetched.
  struct Outgoing {
    MessagePtr message;
    std::vector<Chain> contents;  // of a batch of metrics one for each, as NVFlare has no batches
    std::vector<std::string> receivers;
    bool by_reference = false;
    Duration timeout{};
    std::set<std::string> asked;          // requests under way
    bool own = false;                     // of this pipe: nobody above knows of it
    bool decided = false;                 // accepted or not: on_accepted was said
    std::optional<TimePoint> fetched_at;  // something of it, last
    std::optional<ArraySource::Settlement> settlement;
  };
  // A task whose arrays are being fetched.
  struct Incoming {
    MessagePtr message;  // without its data
    fobs::Message content;
    ArrayDownload download;
    bool warned = false;  // that nobody answers
  };
  // An answer to who downloads.
  struct Leaving {
    std::string transaction;  // that may be over when it is sent
    bool has_arrays;
  };
  // What a request to a cell is for.
  struct Asked {
    std::string message_id;
    std::optional<size_t> cursor;  // of the download
    std::optional<size_t> metric;  // of the batch; neither: the message itself
  };

  // CellClientListener
  void on_connected(const std::string &peer) override;
  void on_disconnected(const std::string &reason, bool refused) override;
  void on_event(StreamCell::Event event) override;

  // A defect ends the session: above it the connection would be taken for the culprit, and made again and again.
  template <typename F>
  void guarded(F &&call);
  void take_connection(const std::string &peer);
  void lose_connection(bool was_there, const std::string &reason);
  void take_event(StreamCell::Event event);
  void on_received(StreamCell::Received received, TimePoint now);
  void on_message(StreamCell::Received received, TimePoint now);
  void on_download_request(const StreamCell::Received &received, double now);
  void on_answered(const StreamCell::Answered &answered, TimePoint now);
  void search_peer(TimePoint now);
  void on_found(const PeerSearch::Finding &finding);
  void on_download_answer(const Asked &asked, const StreamCell::Answered &answered, TimePoint now);
  void take(const std::shared_ptr<Message> &message, const Bytes &content, TimePoint now);

  void lay_out(const MessagePtr &message, const SendOptions &options, Outgoing *outgoing);
  void transmit(const std::string &id);
  void ask(Outgoing *outgoing, const Chain &content, const std::optional<MetricWindow::Metric> &metric);
  void lost_here(Outgoing *outgoing, const std::string &reason, TimePoint now);
  void transmit_heartbeats();
  void stop_asking(Outgoing *outgoing, const std::string &reason);
  void let_go(const std::string &id, Outgoing *outgoing, const std::string &reason);
  Blob blob(const std::string &destination, std::string_view channel, std::string_view topic, Chain content) const;
  Map headers_of(const Message &message) const;
  void refuse(const Message &message, flare_status status, const std::string &reason);

  // Lets every machine act until none has anything to do, then sets the alarm.
  void pump();
  void act();
  bool pump_handler();
  bool pump_metrics();
  bool pump_source();
  bool pump_downloads();
  void perform(const PipeHandler::Action &action);
  void settle(const std::string &id);
  void finish_download(const std::string &id);
  void lose(const MessagePtr &task, flare_status status, const std::string &reason);
  void finish(flare_status status, const std::string &reason);
  void give_up(const std::string &id, flare_status status, const std::string &reason);
  void set_alarm();
  bool has_token() const { return config_.auth_token != kNotAuthenticated; }
  const fobs::Keys &keys_of(const std::string &task) const;

  Settings settings_;
  ClientApiConfig config_;
  Log log_;
  PipeListener *listener_;
  std::string own_name_, peer_name_;
  NameLock name_lock_;
  fobs::ReadRules rules_;
  // Of arrays, and of what brings them: in one, each of them would drive the others out.
  std::shared_ptr<BlockPool> blocks_, blobs_;
  PipeHandler handler_;
  ArraySource source_;
  MetricWindow metrics_;
  NameWatch name_watch_;
  PeerSearch peer_search_;
  std::unique_ptr<CellClient> client_;
  std::map<std::string, StreamCell::Received> questions_;  // of the peer, by message: not answered yet
  std::map<std::string, Outgoing> outgoing_;
  std::map<std::string, Incoming> incoming_;  // by message
  std::map<std::string, Asked> asked_;        // by request
  std::map<int64_t, Leaving> leaving_;        // answers that are not yet sent, by their stream
  std::deque<std::pair<std::string, fobs::Keys>>
      keys_;  // of tasks that were not answered, by message; the oldest first
  bool connected_ = false, started_ = false;
  std::optional<TimePoint> connect_until_;
  std::optional<TimePoint> unheard_until_;  // then a warning that the peer is not there
  std::string obstacle_;
  std::optional<flare_status> over_;
  std::string over_reason_;
  int64_t heartbeats_ = 0;
  bool pumping_ = false, closed_ = false;
  std::optional<TimePoint> due_;  // the alarm
  PipeStats stats_;
  std::unique_ptr<Loop::Alarm> alarm_;
};

}  // namespace flare
