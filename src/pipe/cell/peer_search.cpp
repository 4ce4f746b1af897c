#include "pipe/cell/peer_search.h"

#include <algorithm>
#include <set>

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
  if (peer_unknown_) peer_at_ = now + pause_;
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

std::optional<PeerSearch::Finding> PeerSearch::on_answered(const StreamCell::Answered &answered) {
  const auto question = asked_.extract(answered.request_id);
  if (question.empty()) return std::nullopt;
  if (question.mapped().about_token) return on_token_answer(answered);
  if (answered.return_code != return_code::kOk) return Finding{};
  try {
    return on_peers(answered.content);
  } catch (const Failure &) {
    return Finding{};  // it was only a question
  }
}

PeerSearch::Finding PeerSearch::on_token_answer(const StreamCell::Answered &answered) {
  if (answered.local) return {};  // the next connection asks again
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
  std::string waiting;
  size_t count = 0;
  for (const std::string &name : names) {
    if (!is_of_our_site(name) || !name.ends_with(kPassive)) continue;
    const std::string trainer = name.substr(0, name.size() - kPassive.size()) + std::string(kActive);
    if (names.contains(trainer) || ++count > kMostNamed) continue;
    waiting += (count > 1 ? " or " : "") + described(name);
  }
  // A job that has not begun yet has no end there, and that of another one has its own trainer.
  if (waiting.empty() || !peer_unknown_) return {};
  on_peer_heard();  // once is enough
  return {false, "connected, but the other end of the pipe, '" + names_.peer + "', is not there, while " + waiting +
                     " waits for a trainer: if that is the job's, change agent_id, or site"};
}

// With its own parent process all cells are the site's.
bool PeerSearch::is_of_our_site(const std::string &cell) const {
  if (names_.parent != kRootCell) return cell.starts_with(names_.parent + ".");
  return cell.starts_with(names_.site + "_") || cell.starts_with(names_.site + ".");
}

std::string PeerSearch::described(const std::string &end) const {
  const size_t tail = 1 + kPassive.size();  // with what stands before it
  const std::string head = names_.peer.substr(0, names_.peer.size() - tail - names_.token.size());
  if (!end.starts_with(head) || end.size() <= head.size() + tail) return "'" + end + "'";
  return "'" + end + "' (agent_id '" + end.substr(head.size(), end.size() - head.size() - tail) + "')";
}

}  // namespace flare
