#include "cellnet/cell_client.h"

#include <chrono>
#include <random>
#include <utility>

#include "base/failure.h"

namespace flare {
namespace {

SfmSession::Options session_of(const CellClient::Options &options) {
  SfmSession::Options session;
  session.fqcn = options.identity.fqcn;
  session.expected_peer = options.expected_peer;
  return session;
}

// Unique for all of our lives, as NVFlare makes them.
int64_t first_stream_id() {
  constexpr int kSpread = 1'000'000;
  return static_cast<int64_t>(wall_time() * 1e6) + static_cast<int64_t>(std::random_device()() % kSpread);
}

StreamCell::Options cell_of(const CellClient::Options &options) {
  StreamCell::Options cell;
  cell.identity = options.identity;
  cell.channels = options.channels;
  cell.first_stream_id = first_stream_id();
  cell.places = options.places;
  return cell;
}

std::unique_ptr<TlsContext> tls_of(const CellClient::Options &options) {
  if (options.security == CellSecurity::kClear && !parse_cell_url(options.url).tls) return nullptr;
  TlsFiles files = options.tls;
  if (options.security == CellSecurity::kTls) files.certificate.clear();
  return std::make_unique<TlsContext>(files);
}

}  // namespace

CellClient::CellClient(const Options &options, Loop *loop, CellClientListener *listener)
    : loop_(loop),
      listener_(listener),
      session_(session_of(options), options.limits),
      cell_(cell_of(options), options.limits),
      link_(parse_cell_url(options.url), tls_of(options), options.limits, loop, this),
      alarm_(loop->make_alarm([this] { on_time(); })) {}

CellClient::~CellClient() { close(); }

void CellClient::open() { link_.open(); }

void CellClient::close() {
  if (std::exchange(closed_, true)) return;
  alarm_.reset();
  link_.close(last_words());
  cell_.on_disconnected("closed");
}

std::vector<OutFrame> CellClient::last_words() {
  std::vector<OutFrame> frames;
  if (!session_.ready()) return frames;
  const double wall = wall_time();
  for (const auto &message : cell_.say_goodbye(Clock::now(), wall)) frames.push_back(session_.encode(message));
  return frames;
}

// ---- Calls

std::string CellClient::request(Blob blob, Duration timeout) {
  pump_soon();
  return cell_.request(std::move(blob), timeout, Clock::now());
}

void CellClient::cancel(const std::string &request_id, const std::string &reason) {
  pump_soon();
  cell_.cancel(request_id, reason);
  link_.keep_payload();
  std::erase_if(news_, [&](const News &news) {
    const auto *event = std::get_if<StreamCell::Event>(&news);
    const auto *answered = event ? std::get_if<StreamCell::Answered>(event) : nullptr;
    return answered && answered->request_id == request_id;
  });
}

int64_t CellClient::answer(const StreamCell::Received &question, std::string_view return_code, Blob blob) {
  pump_soon();
  return cell_.answer(question, return_code, std::move(blob), Clock::now());
}

void CellClient::refuse(const StreamCell::Received &question, const std::string &reason) {
  pump_soon();
  cell_.refuse(question, reason, Clock::now());
}

void CellClient::stop(int64_t stream_id, const std::string &reason) {
  pump_soon();
  cell_.stop(stream_id, reason);
  link_.keep_payload();
}

std::string CellClient::ask_peers(const std::string &cell, Duration timeout) {
  pump_soon();
  return cell_.ask_peers(cell, timeout, Clock::now());
}

int64_t CellClient::notify(Blob blob) {
  pump_soon();
  return cell_.notify(std::move(blob), Clock::now());
}

// ---- The link

void CellClient::on_link_up() { session_.on_connected(Clock::now()); }

void CellClient::on_link_down(const std::string &text, bool refused) {
  std::string reason = text;
  if (session_.greeting() && !refused) {
    reason += ". Is the scheme of its listener tcp, and its security (clear, tls, mtls) the same as ours?";
  }
  session_.on_disconnected();
  cell_.on_disconnected(reason);
  collect();
  news_.emplace_back(Disconnected{reason, refused});
  pump_soon();
}

void CellClient::on_frame(const Frame &frame) {
  const TimePoint now = Clock::now();
  const SfmSession::Received received = session_.on_frame(frame, now);
  if (const auto *message = std::get_if<CellMessage>(&received)) {
    cell_.on_message(*message, now);
  } else if (const auto *ready = std::get_if<SfmSession::Ready>(&received)) {
    link_.settled();
    cell_.on_connected(ready->peer);
    news_.emplace_back(Connected{ready->peer});
  } else if (const auto *complaint = std::get_if<SfmSession::Complaint>(&received)) {
    cell_.complain(complaint->text);
  }
}

std::optional<OutFrame> CellClient::next_frame() {
  const double wall = wall_time();
  if (auto frame = session_.take_frame(wall)) return frame;
  if (!session_.ready()) return std::nullopt;
  const auto message = cell_.take_message(Clock::now(), wall);
  if (!message) return std::nullopt;
  return session_.encode(*message);
}

// ---- Turns

void CellClient::pump_soon() {
  if (closed_ || pumping_ || std::exchange(pump_posted_, true)) return;
  loop_->post([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    pump_posted_ = false;
    pump();
  });
}

void CellClient::pump() {
  if (closed_ || pumping_) return;
  pumping_ = true;
  try {
    deliver_due();
  } catch (...) {
    pumping_ = false;
    pump_soon();
    throw;
  }
  pumping_ = false;
  if (closed_) return;
  // What came of that has its turn after timers and sockets, which work that is posted would go before.
  alarm_->set(news_.empty() ? earlier(session_.deadline(), cell_.deadline()) : Clock::now());
}

void CellClient::deliver_due() {
  link_.wake();
  collect();
  for (size_t due = news_.size(); due > 0 && !news_.empty() && !closed_; --due) {
    News news = std::move(news_.front());
    news_.pop_front();
    deliver(std::move(news));
    link_.wake();
    collect();
  }
}

void CellClient::collect() {
  for (StreamCell::Event &event : cell_.take_events()) {
    // Whoever hears that it is over may free what was to be sent.
    const auto *sent = std::get_if<StreamCell::Sent>(&event);
    if (std::holds_alternative<StreamCell::Answered>(event) || (sent && !sent->error.empty())) link_.keep_payload();
    news_.emplace_back(std::move(event));
  }
}

void CellClient::deliver(News news) {
  if (auto *event = std::get_if<StreamCell::Event>(&news)) return listener_->on_event(std::move(*event));
  if (const auto *connected = std::get_if<Connected>(&news)) return listener_->on_connected(connected->peer);
  const auto &[reason, refused] = std::get<Disconnected>(news);
  listener_->on_disconnected(reason, refused);
}

void CellClient::on_time() {
  const TimePoint now = Clock::now();
  cell_.on_time(now);
  if (const auto reason = session_.on_time(now)) link_.drop(*reason);
  pump();
}

}  // namespace flare
