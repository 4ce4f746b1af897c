#include "pipe/cell/peer_search.h"

#include <algorithm>
#include <new>

#include "base/failure.h"
#include "cellnet/names.h"
#include "fobs/message.h"
#include "pipe/cell/cell_name.h"

namespace flare {

namespace {

constexpr std::string_view kRootCell = "server";
constexpr std::string_view kPassive = "passive", kActive = "active";
constexpr size_t kMostNamed = 3;

std::set<std::string> names_in(const Bytes &content, const Limits &limits) {
  std::set<std::string> names;
  const fobs::Message message = fobs::decode(content, limits);
  const fobs::Array *list = message.root.array();
  for (const fobs::Object &name : list ? *list : fobs::Array()) {
    const std::string *text = name.text();
    if (text && text->size() <= wire::kMaxId && is_cell_name(*text)) names.insert(*text);
  }
  return names;
}

}  // namespace

void PeerSearch::on_connected(TimePoint now) {
  if (token_unknown_) token_at_ = now;
  if (peer_unknown_ && !(secure_system_ && names_.parent == kRootCell)) peer_at_ = now + pause_;
}

void PeerSearch::on_peer_heard() {
  peer_unknown_ = false;
  peer_at_.reset();
}

std::vector<PeerSearch::Question> PeerSearch::take_questions(TimePoint now) {
  std::vector<Question> questions;
  if (token_at_ && now >= *token_at_) {
    token_at_.reset();
    questions.push_back({std::string(kRootCell), true});
  }
  if (peer_at_ && now >= *peer_at_) {
    pause_ = std::min<Duration>(2 * pause_, kLongest);
    peer_at_ = now + pause_;
    questions.push_back({names_.parent, false});
  }
  return questions;
}

std::optional<PeerSearch::Finding> PeerSearch::on_answered(const StreamCell::Answered &answered, TimePoint now) {
  const auto question = asked_.extract(answered.request_id);
  if (question.empty()) return std::nullopt;
  if (question.mapped().about_token) return on_token_answer(answered, now);
  if (answered.return_code != return_code::kOk) return Finding{};
  try {
    return on_peers(answered.content);
  } catch (const Failure &) {  // it was only a question
    return Finding{};
  } catch (const std::bad_alloc &) {
    return Finding{};
  }
}

PeerSearch::Finding PeerSearch::on_token_answer(const StreamCell::Answered &answered, TimePoint now) {
  if (answered.local) return {};  // the next connection asks again
  if (answered.return_code == return_code::kCommError) {
    token_at_ = now + kAgain;  // it did not get there
    return {};
  }
  if (answered.return_code == return_code::kTimeout && !std::exchange(silent_, true)) {
    token_at_ = now;  // a busy server, perhaps
    return {};
  }
  token_unknown_ = false;
  if (answered.return_code != return_code::kTimeout) return {};
  return {false,
          "the server does not answer. A secure server drops, without a word, what comes without a valid token: "
          "auth_token, auth_token_signature or site may be wrong, or the token too old. All three are in "
          "client_api_config.json of the running job, in the site's folder"};
}

PeerSearch::Finding PeerSearch::on_peers(const Bytes &content) {
  const std::set<std::string> names = names_in(content, limits_);
  if (names.contains(names_.peer)) {
    on_peer_heard();
    return {true, ""};
  }
  std::set<std::string> alone;
  for (const std::string &name : names) {
    if (!is_of_our_site(name) || !name.ends_with(kPassive)) continue;
    const std::string trainer = name.substr(0, name.size() - kPassive.size()) + std::string(kActive);
    if (!names.contains(trainer)) alone.insert(name);
  }
  // A job that has not begun yet has no end there; that of another job has its own trainer, or will soon.
  std::string waiting;
  size_t count = 0;
  for (const std::string &name : alone) {
    if (waiting_.contains(name) && ++count <= kMostNamed) waiting += (count > 1 ? " or " : "") + described(name);
  }
  waiting_ = std::move(alone);
  if (waiting.empty() || std::exchange(warned_, true)) return {};
  return {false, "connected, but the other end of the pipe, '" + names_.peer + "', is not there, while " + waiting +
                     " waits for a trainer: if that is the job's, change agent_id, or site"};
}

// As both schemes of names have it. With its own parent process all cells are the site's.
bool PeerSearch::is_of_our_site(const std::string &cell) const {
  const std::string &parent = names_.parent, &site = names_.site;
  if (parent == site || parent.ends_with("." + site)) return cell.starts_with(parent + ".");
  if (parent == kRootCell) return cell.starts_with(site + "_") || cell.starts_with(site + ".");
  return cell.starts_with(parent + "." + site + "_") || cell.starts_with(parent + ".cellpipe~alias~" + site + "~");
}

std::string PeerSearch::described(const std::string &end) const {
  const size_t tail = 1 + kPassive.size();  // with what stands before it
  const std::string head = names_.peer.substr(0, names_.peer.size() - tail - names_.token.size());
  if (!end.starts_with(head) || end.size() <= head.size() + tail) return "'" + end + "'";
  return "'" + end + "' (agent_id '" + end.substr(head.size(), end.size() - head.size() - tail) + "')";
}

}  // namespace flare
