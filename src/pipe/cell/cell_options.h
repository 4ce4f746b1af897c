// What the settings and NVFlare's configuration mean to the cell of a pipe.
#pragma once

#include <memory>
#include <string>

#include "base/block_pool.h"
#include "cellnet/cell_client.h"
#include "config/client_api_config.h"
#include "config/settings.h"
#include "pipe/pipe_handler.h"

namespace flare {

// Those of any pipe, changed to what NVFlare's end expects.
PipeHandler::Options cell_handler_options(PipeHandler::Options options, const Settings &settings);

// Large blobs go to `blobs`. Throws Failure(FLARE_INVALID_ARGUMENT) for a secure server and no token.
CellClient::Options cell_client_options(const ClientApiConfig &config, const std::string &own_name, BlockPool *blobs);

bool has_token(const ClientApiConfig &config);

// All the attempts to send a message: until then what it refers to must be there.
Duration span_of(const Settings &settings, Duration timeout);

}  // namespace flare
