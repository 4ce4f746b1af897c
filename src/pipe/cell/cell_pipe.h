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

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/name_lock.h"
#include "cellnet/cell_client.h"
#include "config/client_api_config.h"
#include "fobs/value_read.h"
#include "pipe/cell/array_answers.h"
#include "pipe/cell/array_source.h"
#include "pipe/cell/cell_name.h"
#include "pipe/cell/messages_out.h"
#include "pipe/cell/name_watch.h"
#include "pipe/cell/peer_search.h"
#include "pipe/cell/task_downloads.h"
#include "pipe/pipe_driver.h"
#include "pipe/task_keys.h"

namespace flare {

class CellPipe : public PipeDriver, private CellClientListener {
 public:
  // Opens the connection at once. Throws Failure: FLARE_INVALID_ARGUMENT for what the configuration cannot mean,
  // FLARE_REFUSED when another process has the same cell, FLARE_IO. To be made and destroyed in the loop.
  CellPipe(const Settings &settings, const ClientApiConfig &config, CellNaming naming, Loop *loop, Log log,
           PipeListener *listener);
  ~CellPipe() override;

 private:
  // PipeDriver
  LaidOut lay_out(const MessagePtr &message, const SendOptions &options) override;
  void release(const std::string &id, const std::string &reason) override;
  void transmit(const MessagePtr &message) override;
  void transmit_ack(const PipeHandler::TransmitAck &ack) override;
  void transmit_heartbeat() override;
  bool on_decided(const MessagePtr &message, bool accepted, const std::string &reason) override;
  void withdraw(const std::string &id, flare_status status, const std::string &reason) override;
  void end(flare_status status, const std::string &reason) override;
  void shut(const std::string &reason) override;
  bool pump_transfers() override;
  std::optional<TimePoint> deadline() const override;
  void act(TimePoint now) override;

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
  void take(const std::shared_ptr<Message> &message, const Bytes &content, TimePoint now);
  void on_download_request(const StreamCell::Received &received, TimePoint now);
  void on_answered(const StreamCell::Answered &answered, TimePoint now);
  void search_peer(TimePoint now);
  void on_found(const PeerSearch::Finding &finding);

  void check_connection(TimePoint now);
  bool pump_source();
  bool pump_downloads();
  void lose(const MessagePtr &task, flare_status status, const std::string &reason);

  ClientApiConfig config_;
  std::string own_name_, peer_name_;
  NameLock name_lock_;
  // Of arrays, and of what brings them: in one, each of them would drive the others out.
  std::shared_ptr<BlockPool> blocks_, blobs_;
  fobs::ReadRules rules_;
  NameWatch name_watch_;
  PeerSearch peer_search_;
  std::unique_ptr<CellClient> client_;
  TaskKeys keys_;
  ArraySource source_;
  ArrayAnswers answers_;
  TaskDownloads downloads_;
  MessagesOut out_;
  std::map<std::string, StreamCell::Received> questions_;  // of the peer, by message: not answered yet
  bool connected_ = false, started_ = false;
  std::optional<TimePoint> connect_until_;
  std::optional<TimePoint> unheard_until_;  // then a warning that the peer is not there
  std::string obstacle_;
  int64_t heartbeats_ = 0;
};

}  // namespace flare
