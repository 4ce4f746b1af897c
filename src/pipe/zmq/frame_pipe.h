// The pipe over a link of frames: runs the session and the transfers of both directions beside the PipeHandler. It
// decides nothing itself: it carries events to the state machines and their actions to the link.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipe/pipe_driver.h"
#include "pipe/zmq/chunk_stage.h"
#include "pipe/zmq/link.h"
#include "pipe/zmq/session.h"
#include "transfer/chunk_service.h"
#include "transfer/downloader.h"

namespace flare {

class FramePipe : public PipeDriver, private LinkListener {
 public:
  enum class Role { kAgent, kExchanger };

  // Opens the link at once; throws what it throws. To be made and destroyed in the loop thread.
  FramePipe(Role role, const Settings &settings, std::unique_ptr<Link> link, Loop *loop, Log log,
            PipeListener *listener);
  ~FramePipe() override;

  void cancel(const std::string &id, flare_status status, const std::string &reason) override;
  PipeStats stats() const override;

  std::string url() const { return link_->url(); }
  // Exchangers: how far another receiver of a result is, and that it has everything, or not. The peer decides whether
  // it knows them.
  void report(const std::string &transaction, const std::string &receiver, uint64_t bytes, uint32_t items);
  void confirm(const std::string &transaction, const std::string &receiver, bool success, const std::string &reason);
  // Exchangers: no other agent is admitted.
  void close_doors(const std::string &reason);

 private:
  // What is sent of a message, and fetched.
  struct Outgoing {
    wire::Payload payload;
    Bytes inlined;
    bool by_reference = false;
    bool lent = false;
    std::string puller;  // the receiver that the peer itself is
  };
  // A message that came by reference and is being fetched.
  struct Incoming {
    wire::Data data;
    Downloader downloader;
  };
  // The word that a transfer is over, until the owner acknowledges it.
  struct Confirm {
    wire::Settled settled;
    TimePoint again;
    int tries = 0;
  };

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
  bool pump_session() override;
  bool pump_transfers() override;
  std::optional<TimePoint> deadline() const override;
  void act(TimePoint now) override;

  // LinkListener
  void on_frame(const Connection &from, wire::Envelope envelope, Bytes payload) override;
  size_t max_envelope_bytes(const Connection &from) const override;
  void on_bad_frame(const Connection &from, const std::string &reason) override;
  void on_connection(const Connection &connection, bool up) override;
  void on_turned_away(const std::string &reason, bool for_good) override;

  // Frames of the live session
  void on_data(const wire::Data &data, const Bytes &payload, TimePoint now);
  void on_chunk_request(const Connection &from, const ChunkRequest &request);
  void serve_waiting();
  bool serve(const Connection &to, const ChunkRequest &request);
  void on_chunk(const wire::Chunk &chunk, const Bytes &payload, TimePoint now);
  void on_settled(const wire::Settled &settled, TimePoint now);
  void on_progress(const wire::Progress &progress);
  void on_ack(const wire::Ack &ack, TimePoint now);

  bool pump_service();
  bool pump_downloads();
  void perform(const Session::Action &action);
  void finish_download(const std::string &transaction);
  std::string receiver_of(const std::string &transaction, const std::string &named) const;
  void tell_words_left();
  void send_confirm(Confirm *confirm, TimePoint now);
  void forget_peer();

  void send_acks();
  bool transmit(const Connection &to, wire::Body body, const Bytes &payload = {}, bool lent = false);

  Loop *loop_;
  std::unique_ptr<Link> link_;
  std::unique_ptr<Session> session_;
  ExchangerSession *exchanger_session_ = nullptr;  // session_, when this is an exchanger's
  ChunkService service_;
  std::shared_ptr<BlockPool> blocks_;                        // of messages that come
  ChunkStage stage_;                                         // of lent messages that go
  std::deque<std::pair<Connection, ChunkRequest>> waiting_;  // for room in it
  std::map<std::string, Outgoing> outgoing_;
  std::map<std::string, Incoming> incoming_;  // by transaction
  std::map<std::string, Confirm> confirms_;   // by the id of their Ack
  std::vector<wire::Ack> acks_;               // put off
  std::deque<std::string> replies_taken_;     // the last of them: the end of the job must not come before their acks
  std::shared_ptr<FramePipe *> itself_;       // none once it is closed
  bool words_left_ = false;                   // as it was told
  bool started_ = false;
  uint64_t heartbeats_ = 0;
};

}  // namespace flare
