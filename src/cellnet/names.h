// Words of NVFlare's cells: keys of headers, channels, topics, return codes.
#pragma once

#include <cstdint>
#include <string_view>

namespace flare {

namespace cell_key {
inline constexpr std::string_view kMessageType = "cn__msg_type";
inline constexpr std::string_view kOrigin = "cn__origin";
inline constexpr std::string_view kDestination = "cn__destination";
inline constexpr std::string_view kFrom = "cn__from";
inline constexpr std::string_view kTo = "cn__to";
inline constexpr std::string_view kChannel = "cn__channel";
inline constexpr std::string_view kTopic = "cn__topic";
inline constexpr std::string_view kRequestId = "cn__req_id";
inline constexpr std::string_view kReplyExpected = "cn__reply_expected";
inline constexpr std::string_view kRoute = "cn__route";
inline constexpr std::string_view kPayloadEncoding = "cn__payload_encoding";
inline constexpr std::string_view kPayloadBytes = "cn__payload_len";
inline constexpr std::string_view kSendTime = "cn__send_time";
inline constexpr std::string_view kSecure = "cn__secure";
inline constexpr std::string_view kEncrypted = "cn__encrypted";
inline constexpr std::string_view kOptional = "cn__optional";
inline constexpr std::string_view kReturnCode = "cn__return_code";
inline constexpr std::string_view kError = "cn__error";
inline constexpr std::string_view kClientName = "client_name";
inline constexpr std::string_view kToken = "__token__";
inline constexpr std::string_view kTokenSignature = "__token_signature__";
}  // namespace cell_key

namespace stream_key {
inline constexpr std::string_view kChannel = "sm__ch";
inline constexpr std::string_view kTopic = "sm__tp";
inline constexpr std::string_view kId = "sm__id";
inline constexpr std::string_view kSize = "sm__sz";
inline constexpr std::string_view kSequence = "sm__sq";
inline constexpr std::string_view kOffset = "sm__os";
inline constexpr std::string_view kKind = "sm__dt";
inline constexpr std::string_view kOptional = "sm__op";
inline constexpr std::string_view kError = "sm__em";
inline constexpr std::string_view kRequestId = "sm__ri";
inline constexpr std::string_view kEncoding = "sm__pe";
}  // namespace stream_key

namespace stream_kind {  // values of sm__dt
inline constexpr int64_t kChunk = 1;
inline constexpr int64_t kFinal = 2;
inline constexpr int64_t kAck = 3;
inline constexpr int64_t kError = 6;
}  // namespace stream_kind

namespace message_type {
inline constexpr std::string_view kRequest = "req";
inline constexpr std::string_view kReply = "reply";
inline constexpr std::string_view kReturn = "return";  // a request that could not be delivered
}  // namespace message_type

namespace return_code {
inline constexpr std::string_view kOk = "ok";
inline constexpr std::string_view kTimeout = "timeout";
inline constexpr std::string_view kCommError = "comm_error";
inline constexpr std::string_view kInvalidRequest = "invalid_request";
inline constexpr std::string_view kProcessException = "process_exception";
}  // namespace return_code

namespace encoding {
inline constexpr std::string_view kNone = "none";
inline constexpr std::string_view kBytes = "bytes";
inline constexpr std::string_view kFobs = "fobs";
}  // namespace encoding

inline constexpr std::string_view kCellChannel = "cellnet.channel";
inline constexpr std::string_view kByeTopic = "bye";
inline constexpr std::string_view kManagerChannel = "_net_manager";
inline constexpr std::string_view kPeersTopic = "peers";  // the names of all cells that are connected with one
inline constexpr std::string_view kStreamChannel = "sm__STREAM";
inline constexpr std::string_view kDataTopic = "sm__DATA";
inline constexpr std::string_view kAckTopic = "sm__ACK";
inline constexpr std::string_view kReturnOnly = "return_only";  // the channel of answers that are blobs
inline constexpr std::string_view kNotAuthenticated = "NA";     // token and signature of insecure systems

}  // namespace flare
