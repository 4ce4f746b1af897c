// Words of NVFlare's pipes over cells, and of its download service.
#pragma once

#include <string_view>

namespace flare {

namespace pipe_key {
inline constexpr std::string_view kMessageType = "cell_pipe.msg_type";
inline constexpr std::string_view kMessageId = "cell_pipe.msg_id";
inline constexpr std::string_view kRequestId = "cell_pipe.req_id";
inline constexpr std::string_view kStart = "cell_pipe.start";
inline constexpr std::string_view kHeartbeat = "cell_pipe.hb_seq";
inline constexpr std::string_view kRootId = "cn__msg_root_id";
inline constexpr std::string_view kRootTtl = "cn__msg_root_ttl";
inline constexpr std::string_view kPassThrough = "cn__pass_through";
}  // namespace pipe_key

inline constexpr std::string_view kPipeRequest = "REQ";
inline constexpr std::string_view kPipeReply = "REP";
inline constexpr std::string_view kHeartbeatTopic = "_HEARTBEAT_";
inline constexpr std::string_view kChannelPrefix = "cell_pipe.";
inline constexpr std::string_view kDownloadChannel = "download_service__";
inline constexpr std::string_view kDownloadTopic = "download_service__download";

}  // namespace flare
