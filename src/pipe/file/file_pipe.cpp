#include "pipe/file/file_pipe.h"

#include <algorithm>
#include <new>

#include "base/failure.h"
#include "base/text.h"
#include "base/uuid.h"
#include "fobs/message.h"
#include "fobs/metric.h"
#include "fobs/shareable.h"
#include "pipe/file/file_name.h"
#include "pipe/metric.h"

namespace flare {

namespace {

// The executor of 2.8 that starts trainers waits in each round for the next sign of life.
constexpr Duration kBeatInterval = std::chrono::seconds(1);
// Beside the watch: for what happens elsewhere on a network file system.
constexpr Duration kLookInterval = std::chrono::seconds(1);
// So long after a file the kernel's word on what became of it may come: it was taken, or deleted.
constexpr Duration kWord = std::chrono::milliseconds(50);
constexpr Duration kLongest = std::chrono::hours(24 * 3650);  // for a peer to take all files of a message
// Milliseconds, on a disk that is not too slow.
constexpr size_t kMostPerTurn = 8 << 20;

PipeHandler::Options of_files(PipeHandler::Options options) {
  options.heartbeat_interval = std::min(options.heartbeat_interval, kBeatInterval);
  options.resend_interval = std::nullopt;  // FP-05: a file lies there until it is taken
  options.ack_delay = Duration::zero();
  return options;
}

const FilePlace &place_of(const ClientApiConfig &config) {
  if (!config.files) throw Failure(FLARE_INVALID_ARGUMENT, "the job's pipe is no FilePipe");
  return *config.files;
}

std::vector<Bytes> pieces_of(const fobs::Message &message) { return fobs::encode(message).take(); }

bool is_end(const Message &message) { return message.topic == topic::kEnd || message.topic == topic::kAbort; }

}  // namespace

FilePipe::FilePipe(const Settings &settings, const ClientApiConfig &config, Loop *loop, Log log, PipeListener *listener)
    : PipeDriver(of_files(handler_options(settings)), settings, loop, std::move(log), listener),
      config_(config),
      blocks_(BlockPool::make(settings.warm_bytes, settings.warm_timeout)),
      task_(place_of(config).root, config.task_channel),
      channels_{&task_},
      keys_(settings.limits.max_queued_messages) {
  rules_.limits = settings.limits;
  rules_.new_block = [pool = blocks_](size_t size) { return pool->take(size); };
  if (config.metric_channel && config.files->metric_root) {
    metric_.emplace(*config.files->metric_root, *config.metric_channel);
    channels_.push_back(&*metric_);
  } else if (config.metric_channel) {
    log_.warn(
        "metrics are dropped: they would go by another pipe than the tasks; make the job's metric pipe a FilePipe");
  }
  for (Channel *channel : channels_) {
    channel->arrivals = watch_.add_arrivals(channel->folder.incoming_path());
    channel->departures = watch_.add_departures(channel->folder.outgoing_path());
    channel->own = watch_.add_departures(channel->folder.path());
  }
  if (!watch_.why().empty()) log_.warn("files are looked for each second, as they cannot be watched: " + watch_.why());
  if (watch_.fd() >= 0) events_ = loop->make_watch(watch_.fd(), [this] { pump(); });
  if (settings.connect_timeout) connect_until_ = Clock::now() + *settings.connect_timeout;
  next_look_ = Clock::now();
  set_alarm();  // the listener hears of what is there when this is made
}

FilePipe::~FilePipe() { PipeDriver::close("closed"); }

PipeStats FilePipe::stats() const {
  PipeStats stats = stats_;
  for (const Channel *channel : channels_) stats.bytes_sent += static_cast<int64_t>(channel->outbox.bytes_written());
  return stats;
}

void FilePipe::shut(const std::string &) {
  events_.reset();
  for (auto &[id, outgoing] : outgoing_) take_back(&outgoing);
  for (Channel *channel : channels_) {
    channel->reading.reset();
    channel->outbox.clear();
    if (!channel->heartbeat.empty()) channel->folder.withdraw(channel->heartbeat);
    channel->folder.let_go();
  }
  outgoing_.clear();
  blocks_->close();
}

// ---- The folders ---------------------------------------------------------------------------------------------

void FilePipe::take_events() {
  using What = FolderWatch::What;
  for (const FolderWatch::Event &event : watch_.take()) {
    if (event.what == What::kMissed) next_look_ = Clock::now();
    for (Channel *channel : channels_) {
      if (event.folder == channel->own) next_look_ = Clock::now();
      if (event.folder == channel->arrivals && event.what == What::kArrived) {
        channel->look = true;
        const auto message = read_file_name(event.name);
        if (!over() && message && is_end(*message)) channel->ends.push_back(event.name);
      } else if (event.folder == channel->departures) {
        if (event.what == What::kTaken) on_taken(channel, event.name);
        if (event.what == What::kRemoved) on_removed(channel, event.name);
      }
    }
  }
}

void FilePipe::on_taken(Channel *channel, const std::string &name) {
  const TimePoint now = Clock::now();
  const auto found = lying_.find(name);
  if (name == channel->heartbeat) {
    channel->heartbeat.clear();
  } else if (found != lying_.end()) {
    const std::string id = found->second;
    lying_.erase(found);
    Outgoing &outgoing = outgoing_.at(id);
    outgoing.lying.erase(name);
    if (outgoing.lying.empty() && outgoing.unwritten == 0 && !outgoing.unread) handler_.on_ack(id, std::nullopt, now);
  } else {
    return;  // of somebody before us
  }
  on_sign_of_life(now);
}

void FilePipe::on_removed(Channel *channel, const std::string &name) {
  if (name == channel->heartbeat) channel->heartbeat.clear();
  const auto found = lying_.find(name);
  if (found == lying_.end()) return;
  const std::string id = found->second;
  lying_.erase(found);
  Outgoing &outgoing = outgoing_.at(id);
  outgoing.lying.erase(name);
  outgoing.unread = true;
  handler_.on_ack(id, Refusal{"the peer deleted it unread"}, Clock::now());
}

void FilePipe::on_sign_of_life(TimePoint now) {
  if (over() || closed()) return;
  if (up_) return handler_.on_peer_activity(now);
  up_ = true;
  connect_until_.reset();
  handler_.start(now);
  PeerInfo info;
  info.instance = task_.folder.path();
  info.site = config_.site;
  info.job_id = config_.job_id;
  info.library = "NVFlare, by files in " + task_.folder.path();
  listener_->on_up(info, false);
}

void FilePipe::look_everywhere(TimePoint now) {
  next_look_ = now + kLookInterval;
  for (Channel *channel : channels_) {
    channel->look = true;
    if (channel->folder.gone()) return;
    if (!channel->heartbeat.empty() && !channel->folder.lies(channel->heartbeat)) on_taken(channel, channel->heartbeat);
    // Until the peer is there for the first time, one word waits for it.
    if (!up_ && channel->heartbeat.empty()) transmit_heartbeat(channel);
  }
  std::map<std::string, TimePoint> missing;
  for (const auto &[name, id] : lying_) {
    const auto before = missing_.find(name);
    if (!outgoing_.at(id).channel->folder.lies(name)) missing[name] = before == missing_.end() ? now : before->second;
  }
  missing_ = std::move(missing);
  const Duration word = watch_.fd() < 0 ? Duration::zero() : kWord;
  for (const auto &[name, since] : missing_) {
    const auto found = lying_.find(name);
    if (now - since < word) {
      next_look_ = std::min(next_look_, since + word);
    } else if (found != lying_.end()) {
      on_taken(outgoing_.at(found->second).channel, name);
    }
  }
}

bool FilePipe::look(Channel *channel, TimePoint now) {
  if (over() || closed() || !std::exchange(channel->look, false)) return false;
  std::vector<PipeFolder::File> files;
  std::string obstacle;
  try {
    files = channel->folder.incoming();
  } catch (const NotNow &failure) {
    log_.warn(failure.what());
    return false;
  } catch (const Failure &failure) {
    obstacle = failure.what();
  }
  if (channel->folder.gone()) {
    obstacle = "the peer has closed its pipe: " + channel->folder.path() + " was deleted";
    take_events();  // it may have said the end before
  }
  std::map<std::string, Channel::Left> left;
  left.swap(channel->left);
  std::vector<std::string> ends = std::exchange(channel->ends, {});
  for (const PipeFolder::File &file : files) {
    std::erase(ends, file.name);
    if (const auto found = left.find(file.name); found != left.end()) channel->left.insert(*found);
  }
  bool behind = channel->reading.has_value();
  for (const PipeFolder::File &file : files) {
    if (closed() || !handler_.receiving()) return true;
    try {
      on_file(channel, file, behind, now);
      const auto found = channel->left.find(file.name);
      behind = behind || (found != channel->left.end() && found->second == Channel::Left::kForNow);
    } catch (const Failure &failure) {
      channel->left[file.name] = Channel::Left::kForGood;
      log_.error(failure.what());
    }
  }
  for (const std::string &name : ends) handler_.on_message(*read_file_name(name), now);
  if (!obstacle.empty()) handler_.on_broken(obstacle);
  return true;
}

// Behind one that is left for now, tasks keep their order; nothing else waits.
void FilePipe::on_file(Channel *channel, const PipeFolder::File &file, bool behind, TimePoint now) {
  const auto left = channel->left.find(file.name);
  if (left != channel->left.end() && left->second == Channel::Left::kForGood) return;
  if (channel->reading && channel->reading->name == file.name) return;
  auto name = read_file_name(file.name);
  if (!name || !file.regular) {
    set_aside(channel, file.name, name ? "it is no regular file" : "its name is that of no message");
    return;
  }
  const auto message = std::make_shared<Message>(*std::move(name));
  if (left == channel->left.end()) on_sign_of_life(now);
  if (closed()) return;
  if (message->topic == topic::kHeartbeat) {
    channel->folder.take(file.name);
    return;
  }
  if (left == channel->left.end()) {
    switch (handler_.on_message(*message, now)) {
      case PipeHandler::Received::kIgnored: channel->folder.take(file.name); return;
      case PipeHandler::Received::kRepeated:
        ++stats_.duplicates_dropped;
        channel->folder.take(file.name);
        return;
      case PipeHandler::Received::kNew: break;
    }
  }
  if (behind) {
    leave(channel, file.name);
  } else {
    offer(channel, file.name, message, now);
  }
}

// What is not taken yet stays where it is: its sender sees that, and waits.
void FilePipe::offer(Channel *channel, const std::string &name, const MessagePtr &message, TimePoint now) {
  const auto refusal = listener_->on_offered(*message, 0);
  if (closed()) return;
  if (refusal && !refusal->for_good) {
    if (leave(channel, name)) log_.info("left for now: " + name + ": " + refusal->reason);
    return;
  }
  try {
    if (refusal) throw Failure(FLARE_REFUSED, refusal->reason);
    auto reader = channel->folder.open(name, settings_.limits.max_message_bytes, rules_.new_block);
    if (!reader) return;  // the peer took it back
    channel->reading = Reading{name, message, *std::move(reader)};
    leave(channel, name);
  } catch (const std::bad_alloc &) {
    if (leave(channel, name)) log_.error("left for now: " + name + ": not enough memory for it");
    return;
  } catch (const NotNow &failure) {
    if (leave(channel, name)) log_.error("left for now: " + std::string(failure.what()));
    return;
  } catch (const Failure &failure) {
    return lose(channel, name, message, failure, now);
  }
  read(channel, now);
}

// Goes on with the file that is read, if there is one. Whether that is over now.
bool FilePipe::read(Channel *channel, TimePoint now) {
  if (over() || closed() || !channel->reading || read_room_ == 0) return false;
  Reading &reading = *channel->reading;
  const std::string name = reading.name;
  std::optional<Failure> failure;
  std::string obstacle;
  try {
    if (!reading.whole) {
      const size_t bytes = channel->folder.read(name, read_room_, &*reading.reader);
      read_room_ -= bytes;
      stats_.bytes_received += static_cast<int64_t>(bytes);
      if (!reading.reader->complete()) return false;
      decode(&reading);
    }
    read_room_ -= reading.copies.make(read_room_);
    if (!reading.copies.all_made()) return false;
  } catch (const std::bad_alloc &) {
    obstacle = "not enough memory for it";
  } catch (const NotNow &error) {
    obstacle = error.what();
  } catch (const Failure &error) {
    failure = error;
  }
  Reading done = std::move(reading);
  channel->reading.reset();
  if (!obstacle.empty()) {
    // Not at once again, but at the next look at everything.
    if (std::exchange(channel->held_up, name) != name) log_.error("left for now: " + name + ": " + obstacle);
    return false;
  }
  channel->left.erase(name);
  if (failure) {
    lose(channel, name, done.message, *failure, now);
  } else {
    deliver(channel, std::move(done), now);
  }
  return true;
}

void FilePipe::decode(Reading *reading) {
  fobs::ReadRules rules = rules_;
  rules.copy = [reading](Block to, const Bytes &from) { reading->copies.add(std::move(to), from); };
  reading->whole = std::make_shared<Message>(*reading->message);
  reading->whole->data =
      fobs::read_shareable(fobs::decode(reading->reader->bytes(), settings_.limits), {}, rules, &reading->keys);
  reading->reader.reset();  // the copies keep what they need
}

void FilePipe::deliver(Channel *channel, Reading reading, TimePoint now) {
  const auto refusal = listener_->on_offered(*reading.message, 0);  // it may have been stopped meanwhile
  if (closed()) return;
  if (refusal && !refusal->for_good) {
    leave(channel, reading.name);
    return;
  }
  try {
    if (!channel->folder.take(reading.name)) return;  // the peer took it back
  } catch (const Failure &failure) {
    return lose(channel, reading.name, reading.message, failure, now);
  }
  keys_.keep(reading.message->id, std::move(reading.keys));
  handler_.on_taken(*reading.message, std::nullopt, now);
  listener_->on_message(reading.whole);
}

// Whether it was not left before.
bool FilePipe::leave(Channel *channel, const std::string &name) {
  return channel->left.insert_or_assign(name, Channel::Left::kForNow).second;
}

void FilePipe::lose(Channel *channel, const std::string &name, const MessagePtr &message, const Failure &failure,
                    TimePoint now) {
  if (!set_aside(channel, name, failure.what())) return;
  handler_.on_taken(*message, std::nullopt, now);
  listener_->on_message_lost(message, failure.status(), failure.what());
  if (!closed()) answer_unread(channel, *message);
}

// False: the peer took it back, or it has to stay where it is.
bool FilePipe::set_aside(Channel *channel, const std::string &name, const std::string &reason) {
  try {
    if (!channel->folder.set_aside(name)) return false;
  } catch (const Failure &failure) {
    channel->left[name] = Channel::Left::kForGood;
    log_.error(failure.what());
    return false;
  }
  ++stats_.frames_rejected;
  log_.warn("refused, and moved to " + channel->folder.refused_path() + ": " + name + ": " + reason);
  return true;
}

// Its sender sees that it was taken, and would wait for the result (W-18).
void FilePipe::answer_unread(Channel *channel, const Message &task) {
  if (task.kind != MessageKind::kRequest) return;
  Message reply;
  reply.kind = MessageKind::kReply;
  reply.topic = task.topic;
  reply.id = new_uuid();
  reply.request_id = task.id;
  reply.data.headers.set(header::kReturnCode, "BAD_TASK_DATA");
  try {
    channel->outbox.add({reply.id, file_name_of(reply),
                         pieces_of(fobs::write_shareable(reply.data, std::nullopt, settings_.limits).message)});
  } catch (const std::exception &failure) {  // its id may be too long for a file's name
    log_.error("the peer was not told that task " + task.id + " is lost: " + failure.what());
  }
}

// ---- What goes out -------------------------------------------------------------------------------------------

PipeDriver::LaidOut FilePipe::lay_out(const MessagePtr &message, const SendOptions &options) {
  Outgoing outgoing;
  outgoing.message = message;
  if (message->topic == topic::kMetric) {
    if (metric_) lay_out_metrics(*message, &outgoing);
  } else {
    outgoing.channel = &task_;
    fobs::Written written =
        fobs::write_shareable(message->data, std::nullopt, settings_.limits, keys_.of(message->request_id));
    outgoing.files.push_back({message->id, file_name_of(*message), pieces_of(written.message)});
  }
  // The peer takes one file at a time.
  const int64_t most = std::max<int64_t>(1, kLongest / std::max(options.timeout, Duration(1)));
  const Duration timeout = options.timeout * std::clamp<int64_t>(static_cast<int64_t>(outgoing.files.size()), 1, most);
  outgoing.timeout = timeout;
  outgoing.unwritten = outgoing.files.size();
  outgoing_.insert_or_assign(message->id, std::move(outgoing));
  return {false, timeout};
}

void FilePipe::lay_out_metrics(const Message &batch, Outgoing *outgoing) {
  outgoing->channel = &*metric_;
  Message one;
  one.topic = topic::kMetric;
  for (const Metric &metric : to_metrics(batch)) {
    one.id = new_uuid();
    outgoing->files.push_back({batch.id, file_name_of(one),
                               pieces_of(fobs::write_metric(metric.type, metric.name, metric.value, metric.step,
                                                            metric.path, settings_.limits))});
  }
}

void FilePipe::transmit(const MessagePtr &message) {
  const std::string &id = message->id;
  Outgoing &outgoing = outgoing_.at(id);
  if (outgoing.files.empty()) return handler_.on_ack(id, std::nullopt, Clock::now());  // nobody wants metrics
  handler_.on_handed_over(id);
  for (Outbox::File &file : std::exchange(outgoing.files, {})) outgoing.channel->outbox.add(std::move(file));
}

bool FilePipe::write(Channel *channel, TimePoint now) {
  if (over() || closed()) return false;
  const auto outcomes = channel->outbox.write(&channel->folder, &write_room_, now);
  for (const Outbox::Outcome &outcome : outcomes) on_written(outcome, now);
  return !outcomes.empty();
}

void FilePipe::on_written(const Outbox::Outcome &outcome, TimePoint now) {
  const auto found = outgoing_.find(outcome.message);
  if (found == outgoing_.end()) {  // the answer to an unread task
    if (outcome.failure) log_.error(outcome.failure->what());
    return;
  }
  Outgoing &outgoing = found->second;
  if (!outcome.failure) {
    outgoing.lying.insert(outcome.name);
    lying_[outcome.name] = outcome.message;
    outgoing.obstacle.clear();
    outgoing.until.reset();
    if (--outgoing.unwritten == 0) outgoing.until = now + outgoing.timeout;
  } else if (outcome.again) {
    if (outgoing.obstacle.empty()) log_.warn("tried again each second: " + std::string(outcome.failure->what()));
    outgoing.obstacle = outcome.failure->what();
    if (!outgoing.until) outgoing.until = now + outgoing.timeout;
  } else {
    outgoing.unread = true;
    conclude(outcome.message, outcome.failure->status(), outcome.failure->what());
    handler_.on_ack(outcome.message, Refusal{outcome.failure->what()}, now);
  }
}

void FilePipe::check_patience(TimePoint now) {
  for (auto &[id, outgoing] : outgoing_) {
    if (!outgoing.until || now < *outgoing.until) continue;
    outgoing.until.reset();
    if (!outgoing.obstacle.empty()) conclude(id, FLARE_IO, outgoing.obstacle);
    const std::string silence = "the peer did not take it within " + duration_text(outgoing.timeout);
    handler_.on_ack(id, Refusal{outgoing.obstacle.empty() ? silence : outgoing.obstacle}, now);
  }
}

void FilePipe::transmit_heartbeat() {
  for (Channel *channel : channels_) transmit_heartbeat(channel);
}

// A peer that does not read now finds one, not hundreds.
void FilePipe::transmit_heartbeat(Channel *channel) {
  if (!channel->heartbeat.empty()) return;
  Message beat;
  beat.topic = topic::kHeartbeat;
  beat.id = new_uuid();
  try {
    const std::string name = file_name_of(beat);
    channel->folder.put(name, pieces_of({fobs::Object(""), {}}));
    channel->heartbeat = name;
    channel->beats = true;
  } catch (const Failure &failure) {
    if (std::exchange(channel->beats, false)) log_.warn(std::string("no heartbeats: ") + failure.what());
  }
}

// Whether the peer has not taken all of it.
bool FilePipe::take_back(Outgoing *outgoing) {
  bool lay = outgoing->unwritten > 0 || outgoing->unread;
  if (outgoing->channel) outgoing->channel->outbox.drop(outgoing->message->id);
  for (const std::string &name : std::exchange(outgoing->lying, {})) {
    lying_.erase(name);
    lay = outgoing->channel->folder.withdraw(name) || lay;
  }
  return lay;
}

// FP-03: what cannot be taken back any more was delivered in the last moment.
bool FilePipe::on_decided(const MessagePtr &message, bool accepted, const std::string &) {
  const bool taken = !take_back(&outgoing_.at(message->id)) || accepted;
  if (taken) keys_.forget(message->request_id);
  return taken;
}

// ---- The turn ------------------------------------------------------------------------------------------------

void FilePipe::act(TimePoint now) {
  read_room_ = write_room_ = kMostPerTurn;
  // The words that came first, as a folder that is gone may have held the end before.
  take_events();
  for (Channel *channel : channels_) look(channel, now);
  if (!over() && !closed() && now >= next_look_) look_everywhere(now);
  for (Channel *channel : channels_) look(channel, now);
  if (!over() && connect_until_ && now >= *connect_until_) {
    connect_until_.reset();
    finish(FLARE_UNREACHABLE, "no peer was at " + task_.folder.path() + " within connect_timeout");
  }
  check_patience(now);
  blocks_->trim(now);
  PipeDriver::act(now);  // after the look: what came while this process was held up is heard
}

bool FilePipe::pump_transfers() {
  const TimePoint now = Clock::now();
  bool busy = false;
  for (Channel *channel : channels_) {
    if (read(channel, now)) busy = channel->look = true;  // at what waits behind it
    busy = look(channel, now) || busy;
    busy = write(channel, now) || busy;
  }
  return busy;
}

void FilePipe::end(flare_status, const std::string &) {
  for (Channel *channel : channels_) {
    channel->reading.reset();
    channel->outbox.clear();
    channel->folder.let_go();
  }
}

std::optional<TimePoint> FilePipe::deadline() const {
  auto deadline = blocks_->deadline();
  for (const auto &[id, outgoing] : outgoing_) deadline = earlier(deadline, outgoing.until);
  if (!over()) {
    const TimePoint now = Clock::now();
    deadline = earlier(deadline, earlier(connect_until_, next_look_));
    for (const Channel *channel : channels_) {
      deadline = earlier(deadline, channel->outbox.next(now));
      if (channel->reading) deadline = now;
    }
  }
  return deadline;
}

}  // namespace flare
