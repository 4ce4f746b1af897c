// As getpid(), which is a system call and asked for in every function of the C API.
#pragma once

#include <sys/types.h>

namespace flare {

pid_t process_id() noexcept;

}  // namespace flare
