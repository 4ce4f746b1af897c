// What is asked of a cell that somebody drives: StreamCell's functions, without the time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "cellnet/stream_cell.h"

namespace flare {

class CellCalls {
 public:
  virtual ~CellCalls() = default;
  virtual std::string request(Blob blob, Duration timeout) = 0;
  virtual void cancel(const std::string &request_id, const std::string &reason) = 0;
  virtual int64_t answer(const StreamCell::Received &question, std::string_view return_code, Blob blob) = 0;
  virtual void refuse(const StreamCell::Received &question, const std::string &reason) = 0;
  virtual void stop(int64_t stream_id, const std::string &reason) = 0;
  virtual int64_t notify(Blob blob) = 0;
};

}  // namespace flare
