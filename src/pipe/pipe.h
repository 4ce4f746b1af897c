// A pipe joins one agent and one exchanger. It carries messages whole, with all their tensors, and says what became
// of those it was given. Everything above this line works on any transport.
//
// A pipe lives in the loop thread: it is called there and calls its listener there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "flare_agent.h"
#include "pipe/message.h"
#include "transfer/chunk.h"

namespace flare {

struct PeerInfo {
  std::string instance;  // changes when the peer is another process or object
  std::string agent_id;
  std::string site;
  std::string job_id;
  std::string library;
  int wire_version = 0;
};

struct PipeStats {
  int64_t bytes_received = 0;  // of tensors
  int64_t bytes_sent = 0;
  int64_t reconnects = 0;
  int64_t duplicates_dropped = 0;
  int64_t frames_rejected = 0;
};

class PipeListener {
 public:
  virtual ~PipeListener() = default;

  // The session is up: for the first time, again, or with another peer in the place of the old (`new_peer`). In
  // the last case the pipe has forgotten, without a word, every message not settled: send again what still matters.
  virtual void on_up(const PeerInfo &peer, bool new_peer) = 0;
  // The connection is lost; the pipe tries to get it back until it says on_over. Or the peer has `left` in order.
  virtual void on_down(bool left) = 0;
  // Asked before a new message is acknowledged: nullopt takes it. `under_way` were taken before it, and their tensors
  // are still being fetched.
  virtual std::optional<Refusal> on_offered(const Message &message, size_t under_way) = 0;
  // A message that was taken, with all its tensors.
  virtual void on_message(const MessagePtr &message) = 0;
  // The tensors of a message that was taken could not be fetched. Its sender knows that, or the pipe tells it.
  virtual void on_message_lost(const MessagePtr &message, flare_status status, const std::string &reason) = 0;
  // A message sent has something to be fetched: said once, from within send(), before any progress.
  virtual void on_transaction(const std::string &id) = 0;
  virtual void on_progress(const TransferEvent &event) = 0;
  // Once per message sent: the peer has taken it, or not (with the reason).
  virtual void on_accepted(const std::string &id, bool accepted, const std::string &reason) = 0;
  // Once per message sent, after on_accepted: everything it carries is where it should be, or never will be. The
  // pipe holds no reference to the message any more.
  virtual void on_settled(const std::string &id, flare_status status, const std::string &reason) = 0;
  // Whether a peer has still to hear that something of it was fetched, or given up: until then its upload waits.
  virtual void on_words_left(bool any) = 0;
  // The session is over for good: FLARE_ENDED, FLARE_ABORTED, FLARE_PEER_GONE, FLARE_REFUSED, FLARE_UNREACHABLE or
  // FLARE_IO, or FLARE_INTERNAL for a defect of this library. Everything not settled yet is settled with this status
  // before; after FLARE_ENDED only what the peer has accepted may still settle.
  virtual void on_over(flare_status status, const std::string &reason) = 0;
};

struct SendOptions {
  Duration timeout = std::chrono::seconds(60);  // for the peer to take it, per attempt (PH-12)
  std::vector<std::string> receivers;           // who fetches it; empty: the peer alone
  bool lent = false;  // the message refers to memory of the user: never held beyond on_settled
};

class Pipe {
 public:
  virtual ~Pipe() = default;

  virtual void send(const MessagePtr &message, const SendOptions &options) = 0;
  // Gives a message up, whoever fetches it and however slowly: a pipe has no patience of its own. on_settled follows.
  // Nothing happens when it is settled.
  virtual void cancel(const std::string &id, flare_status status, const std::string &reason) = 0;
  virtual PipeStats stats() const = 0;
  // Says goodbye and lets go; no event follows.
  virtual void close(const std::string &reason) = 0;
};

}  // namespace flare
