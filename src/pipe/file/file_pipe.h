// NVFlare's FilePipe up to 2.8, the trainer's end: tasks, results and metrics as FOBS files in folders that both ends
// see (FP-01..FP-05). It decides nothing itself: it carries what happens in the folders to the PipeHandler, and its
// actions there.
//
// Delivered means: the peer, the client job process, has taken the file. Whatever it does then is not seen from here.
//
// Files are read and written a piece at a time, in as many turns of the loop as they need: heartbeats, calls and the
// close go on in between.
//
// Cured here: W-17 (a file that is none of the pipe's, or cannot be read, is moved to the folder refused/, and a task
// in it answered), and a message that the peer deletes unread, as it does before each task, was not delivered.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/block_pool.h"
#include "base/copies.h"
#include "config/client_api_config.h"
#include "fobs/keys.h"
#include "fobs/value_read.h"
#include "pipe/file/file_reader.h"
#include "pipe/file/folder_watch.h"
#include "pipe/file/outbox.h"
#include "pipe/file/pipe_folder.h"
#include "pipe/pipe_driver.h"
#include "pipe/task_keys.h"

namespace flare {

class FilePipe : public PipeDriver {
 public:
  // Makes the folders that are not there yet. Throws Failure: FLARE_INVALID_ARGUMENT for a configuration without
  // folders, FLARE_REFUSED when another trainer on this machine has them, FLARE_IO. To be made and destroyed in the
  // loop.
  FilePipe(const Settings &settings, const ClientApiConfig &config, Loop *loop, Log log, PipeListener *listener);
  ~FilePipe() override;

  PipeStats stats() const override;

 private:
  // A message on its way in.
  struct Reading {
    std::string name;
    MessagePtr message;
    std::optional<FileReader> reader;
    std::shared_ptr<Message> whole{};  // once it is read and decoded
    fobs::Keys keys{};
    Copies copies{};  // of its tensors, that are still to be made
  };
  struct Channel {
    Channel(const std::string &root, const std::string &name) : folder(root, name) {}

    PipeFolder folder;
    int arrivals = -1, departures = -1, own = -1;  // of the watch: x/, y/ and the folder that has them
    bool look = true;                              // whether something may have come
    std::string heartbeat;                         // the one that the peer has still to take: there are never two
    std::string held_up;                           // the file that was read last and could not be
    bool beats = true;                             // else the last could not be written
    Outbox outbox;
    std::optional<Reading> reading;
    // What is left where it is: offered again each time, or never looked at again.
    enum class Left { kForNow, kForGood };
    std::map<std::string, Left> left;
    // Ends that came: the peer deletes one that is not read within 0.1 s, but its name says it all (PH-15).
    std::vector<std::string> ends;
  };
  // A message on its way out.
  struct Outgoing {
    MessagePtr message;
    Duration timeout{};               // for the peer to take it, once it is there
    std::optional<TimePoint> until;   // and when that ends
    std::string obstacle;             // why it is not there
    std::vector<Outbox::File> files;  // of a batch of metrics one for each
    Channel *channel = nullptr;       // none: there is nobody for metrics
    size_t unwritten = 0;             // files
    std::set<std::string> lying;      // files that the peer has still to take
    bool unread = false;              // one was deleted before it was taken
  };

  // PipeDriver
  LaidOut lay_out(const MessagePtr &message, const SendOptions &options) override;
  void release(const std::string &id, const std::string &) override { outgoing_.erase(id); }
  void transmit(const MessagePtr &message) override;
  void transmit_ack(const PipeHandler::TransmitAck &) override {}  // an acknowledgement is a file that is gone
  void transmit_heartbeat() override;
  bool on_decided(const MessagePtr &message, bool accepted, const std::string &reason) override;
  void end(flare_status status, const std::string &reason) override;
  void shut(const std::string &reason) override;
  bool pump_transfers() override;
  std::optional<TimePoint> deadline() const override;
  void act(TimePoint now) override;

  void take_events();
  void on_taken(Channel *channel, const std::string &name);
  void on_removed(Channel *channel, const std::string &name);
  void look_everywhere(TimePoint now);
  bool look(Channel *channel, TimePoint now);
  void on_file(Channel *channel, const PipeFolder::File &file, bool behind, TimePoint now);
  void offer(Channel *channel, const std::string &name, const MessagePtr &message, TimePoint now);
  bool read(Channel *channel, TimePoint now);
  bool leave(Channel *channel, const std::string &name);
  void decode(Reading *reading);
  void deliver(Channel *channel, Reading reading, TimePoint now);
  void lose(Channel *channel, const std::string &name, const MessagePtr &message, const Failure &failure,
            TimePoint now);
  bool set_aside(Channel *channel, const std::string &name, const std::string &reason);
  void answer_unread(Channel *channel, const Message &task);
  void on_sign_of_life(TimePoint now);

  void lay_out_metrics(const Message &batch, Outgoing *outgoing);
  bool write(Channel *channel, TimePoint now);
  void on_written(const Outbox::Outcome &outcome, TimePoint now);
  void check_patience(TimePoint now);
  void transmit_heartbeat(Channel *channel);
  bool take_back(Outgoing *outgoing);

  ClientApiConfig config_;
  fobs::ReadRules rules_;
  std::shared_ptr<BlockPool> blocks_;
  FolderWatch watch_;
  Channel task_;
  std::optional<Channel> metric_;
  std::vector<Channel *> channels_;
  std::map<std::string, Outgoing> outgoing_;
  std::map<std::string, std::string> lying_;  // messages by their files
  std::map<std::string, TimePoint> missing_;  // of those, that are not there any more, and since when that is known
  TaskKeys keys_;
  bool up_ = false;
  std::optional<TimePoint> connect_until_;
  TimePoint next_look_;
  size_t read_room_ = 0, write_room_ = 0;  // what this turn may still read and write, in bytes
  std::unique_ptr<Loop::Watch> events_;
};

}  // namespace flare
