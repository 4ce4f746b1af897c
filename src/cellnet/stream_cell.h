// A cell of ours on NVFlare's network, connected with one other: requests, answers and notes as blobs in streams, and
// the few messages below them. A state machine: messages and their time in, messages to send and events out.
//
// Whoever sends is never waited for: what is to be sent is taken when the connection has room for it, small things
// first, large blobs in turns. Each request ends in exactly one Answered, at once when the connection is lost or the
// peer says that the stream failed.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "base/block_pool.h"
#include "base/time.h"
#include "cellnet/cell_limits.h"
#include "cellnet/cell_message.h"
#include "cellnet/stream_in.h"
#include "cellnet/stream_out.h"

namespace flare {

class StreamCell {
 public:
  struct Options {
    CellIdentity identity;
    std::set<std::string, std::less<>> channels;  // of blobs that we take; others are refused as NVFlare does
    int64_t first_stream_id = 0;  // microseconds since 1970 and something random: unique for all of our lives
    BlobPlaces places;            // of large blobs that come
  };

  // ---- Events ----
  struct Received {  // a blob for us
    std::string origin;
    std::string channel;
    std::string topic;
    std::string request_id;  // "": nobody waits for an answer
    int64_t stream_id;
    Map headers;
    Bytes content;
  };
  struct Answered {  // once per request()
    std::string request_id;
    std::string return_code;
    std::string error;  // why, when it is not the peer's answer
    Map headers;
    Bytes content;
    bool local = false;  // it says nothing of the peer: the connection was lost, or there was no room here
  };
  struct Sent {  // once per answer() and notify(), also per answer that refuse() gives
    int64_t stream_id;
    std::string error;  // "": all of it went, and nothing refers to the content any more; else see cancel()
  };
  struct Heard {  // something came from this cell, which therefore lives
    std::string origin;
  };
  struct Encrypted {  // a blob from this cell was refused, as it is encrypted from end to end
    std::string origin;
  };
  struct PeerLeaves {};  // bye: it will close the connection
  struct Complaint {     // something was of no use
    std::string text;
  };
  using Event = std::variant<Received, Answered, Sent, Heard, Encrypted, PeerLeaves, Complaint>;

  StreamCell(Options options, const CellLimits &limits) : options_(std::move(options)), limits_(limits) {
    next_stream_id_ = options_.first_stream_id;
  }

  void on_connected(const std::string &peer);
  // All that is under way fails.
  void on_disconnected(const std::string &reason);
  // The payload may be a view: it is not needed any more when this returns.
  void on_message(const CellMessage &message, TimePoint now);

  // The id of the request. The time-out begins anew with each progress: of sending, and of the answer that comes.
  std::string request(Blob blob, Duration timeout, TimePoint now);
  // Nothing more of it is sent, and no Answered follows. What take_message() gave last may still refer to the content,
  // as it may when a stream ends with an error, or a request before all of it went.
  void cancel(const std::string &request_id, const std::string &reason);
  // An answer to a Received with a request id. The id of its stream.
  int64_t answer(const Received &question, std::string_view return_code, Blob blob, TimePoint now);
  // Nothing more of an answer or a note is sent; Sent follows with the reason, when it was still under way. What
  // take_message() gave last may still refer to the content.
  void stop(int64_t stream_id, const std::string &reason) { stop_sending(stream_id, reason, true); }
  // For a blob that cannot be worked on. Whoever waits for an answer gets one at once, with the return code
  // process_exception: that its stream failed NVFlare hears only while it still sends it. The sender of a blob that
  // nobody answers is told just that.
  void refuse(const Received &question, const std::string &reason, TimePoint now);
  // Asks a cell itself, and none of its channels, for the names of those that are connected with it. The id of the
  // request; its Answered has what NVFlare's encoding makes of the list.
  std::string ask_peers(const std::string &cell, Duration timeout, TimePoint now);
  // A blob that nobody answers. The id of its stream.
  int64_t notify(Blob blob, TimePoint now);
  // All that is still to be said at the end: large blobs are given up, the others go, and bye comes last.
  std::vector<AddressedMessage> say_goodbye(TimePoint now, double wall_time);

  // The next message to send, when the connection has room for it, so that all of the last one is gone.
  std::optional<AddressedMessage> take_message(TimePoint now, double wall_time);

  void on_time(TimePoint now);
  std::optional<TimePoint> deadline() const;
  std::vector<Event> take_events();
  // Among the events; no more of these than the limits say.
  void complain(const std::string &text);

  // Memory of the blobs that are coming in.
  uint64_t incoming_bytes() const;

 private:
  using StreamKey = std::pair<std::string, int64_t>;  // origin and id

  struct Request {
    std::string destination;
    int64_t stream_id;
    Duration timeout;
    TimePoint until;
    std::optional<StreamKey> answer;  // that is coming in
    bool of_the_cell = false;         // there is no stream
  };
  struct Outgoing {
    StreamOut stream;
    std::string request_id;  // "": of no request
  };
  using Outgoings = std::list<Outgoing>;

  int64_t start(Blob blob, Map headers, std::string request_id, TimePoint now);
  AddressedMessage take_chunk(Outgoings *from, Outgoings::iterator outgoing, TimePoint now, double wall_time);
  Outgoing *find_outgoing(int64_t stream_id, const std::string &destination);
  std::optional<Outgoing> take_outgoing(int64_t stream_id);
  void stop_sending(int64_t stream_id, const std::string &error, bool tell);
  void ended(const Outgoing &outgoing, const std::string &error, bool local = false);
  void tell_sent(const std::string &error);
  void forget_request(std::map<std::string, Request>::iterator request, const std::string &reason);
  void fail_request(const std::string &request_id, std::string_view code, const std::string &error, bool local = false);
  void progressed(const std::string &request_id, TimePoint now);

  void on_reply(const CellMessage &message, const std::string &origin);
  void on_request(const CellMessage &message, const std::string &origin, TimePoint now);
  void on_chunk(const CellMessage &message, const std::string &origin, TimePoint now);
  void on_acknowledgement(const Map &headers, const std::string &origin, TimePoint now);
  bool open_stream(const StreamKey &key, const Map &headers, TimePoint now);
  bool expects_answer(const StreamKey &key, const Map &headers);
  void check_room(const Map &headers) const;
  void give_out(const StreamKey &key);
  void fail_stream(const StreamKey &key, const Map &headers, const std::string &reason, bool tell);
  void drop_stream(const StreamKey &key, const std::string &reason, bool tell);
  void remember_finished(const StreamKey &key);
  void tell_sender(const StreamKey &key, const std::string &reason);
  void acknowledge(const StreamKey &key, int64_t offset);
  void answer_stream(const StreamKey &key, int64_t kind, std::string_view name, Value value);

  void send_soon(OutgoingMessage message);
  void heard(const std::string &origin);
  bool is_name(const std::string &text) const { return text.size() <= limits_.max_name; }

  Options options_;
  CellLimits limits_;
  std::string peer_;  // "": not connected
  int64_t next_stream_id_;
  std::deque<OutgoingMessage> messages_;  // before all streams
  Outgoings small_;                       // of one chunk
  Outgoings large_;                       // the next in turn first
  std::optional<int64_t> leaving_;        // the stream that ended with the message taken last, if Sent tells of it
  std::map<std::string, Request> requests_;
  std::map<StreamKey, StreamIn> incoming_;
  std::unordered_set<std::string> finished_;
  std::deque<std::string> finished_order_;
  std::vector<Event> events_;
  std::set<std::string> heard_;  // those in the events
  size_t complaints_ = 0;        // in the events
};

}  // namespace flare
