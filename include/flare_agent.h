/*
 * flare_agent.h - let a training process in any language take part in NVIDIA FLARE jobs.
 *
 *   open an agent -> take a task -> read its tensors -> make its result -> submit -> wait until delivered
 *
 *   flare_agent *agent;
 *   flare_task *task;
 *   flare_result *result;
 *   if (flare_agent_open(NULL, &agent, &error) != FLARE_OK) return complain(error);
 *   while ((status = flare_agent_next_task(agent, FLARE_WAIT_FOREVER, &task, &error)) == FLARE_OK) {
 *     const flare_shareable *model = flare_task_shareable(task);
 *     status = flare_shareable_read_tensor(model, "w", FLARE_FLOAT32, w, 100, &error);
 *     train(w);
 *     status = flare_result_new(task, &result, &error);
 *     status = flare_shareable_copy_tensor(flare_result_shareable(result), "w", &w_tensor, &error);
 *     status = flare_result_finish(result, FLARE_WAIT_FOREVER, &error);
 *     flare_result_free(result);
 *     flare_task_free(task);
 *   }
 *   flare_agent_close(agent);
 *
 * Rules that hold for every function in this file and in flare_exchanger.h:
 *
 *   Status     0 is success, a positive status is an expected outcome (nothing yet, the job ended), a negative
 *              status is a failure. Outputs are written only on FLARE_OK, and a failed call leaves nothing to
 *              clean up except the error. Any function that gives a status may say FLARE_INVALID_ARGUMENT (a
 *              required pointer is NULL, text is not UTF-8, a value is out of range), FLARE_OUT_OF_MEMORY,
 *              FLARE_FORKED and FLARE_INTERNAL (a defect of this library); they are not repeated below.
 *   Details    `error` may be NULL. On failure it receives a new flare_error that says what happened, to which
 *              task or tensor, and what to do; release it with flare_error_free(). Expected outcomes never
 *              create one.
 *   Ownership  What *_new, *_open and *_next_* give you, you release with the *_free or *_close of the same type.
 *              Any order of release is safe: what a handle needs, it keeps alive. Releasing NULL does nothing.
 *              Using a handle after its release is undefined.
 *   Pointers   Strings, values and views that you receive belong to the handle you got them from and live as
 *              long as it does. Strings and structs that you pass in are copied. Text is UTF-8 and ends with NUL.
 *   Threads    Agents, tasks, exchangers and requests may be used from any thread at once. Options, and a result
 *              or shareable that is still being filled, belong to one thread at a time. The library never calls
 *              your code, installs no handlers (signals, atexit) and never ends the process. Its threads block
 *              all signals.
 *   Waiting    A timeout is in milliseconds: 0 only looks, FLARE_WAIT_FOREVER never gives up. A timeout ends the
 *              wait and cancels nothing. Every wait also ends at once when its agent or exchanger is stopped. To
 *              wait in an event loop instead, poll the *_poll_fd() for reading and then call with timeout 0: it
 *              is readable exactly while that call would not say FLARE_TIMEOUT. Only poll it: never read, write
 *              or close it. It is valid until its handle is released.
 *   fork       A child process may only release what its parent opened; all else gives FLARE_FORKED. What a
 *              child releases is leaked there on purpose, and nothing reaches the peer.
 *   dlclose    The library stays mapped.
 *   Structs    Set `struct_size` (the FLARE_*_INIT macros do): fields are only ever added at the end, and the
 *              library touches no byte beyond it.
 */
#ifndef FLARE_AGENT_H
#define FLARE_AGENT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define FLARE_API __attribute__((visibility("default")))
#define FLARE_MUST_USE __attribute__((warn_unused_result))
#else
#define FLARE_API
#define FLARE_MUST_USE
#endif

#ifdef __cplusplus
#define FLARE_NOEXCEPT noexcept
extern "C" {
#else
#define FLARE_NOEXCEPT
#endif

/* ---- Version --------------------------------------------------------------------------------------------- */

#define FLARE_VERSION_MAJOR 0
#define FLARE_VERSION_MINOR 1
#define FLARE_VERSION_PATCH 0
#define FLARE_MAKE_VERSION(major, minor, patch) (((major) << 16) | ((minor) << 8) | (patch))
#define FLARE_VERSION FLARE_MAKE_VERSION(FLARE_VERSION_MAJOR, FLARE_VERSION_MINOR, FLARE_VERSION_PATCH)

/** The version of the library in use, comparable with FLARE_VERSION. */
FLARE_API uint32_t flare_version(void) FLARE_NOEXCEPT;

/* ---- Status and errors ----------------------------------------------------------------------------------- */

typedef int32_t flare_status;
enum {
  FLARE_OK = 0,
  FLARE_TIMEOUT = 1,           /**< nothing happened in the given time; try again later */
  FLARE_ENDED = 2,             /**< the peer ended the job; no more tasks will come */
  FLARE_STOPPED = 3,           /**< this side was stopped or closed */
  FLARE_NOT_FOUND = 4,         /**< no entry of that name or index */
  FLARE_INVALID_ARGUMENT = -1, /**< the call cannot mean anything; nothing was done */
  FLARE_INVALID_STATE = -2,    /**< right call at the wrong time, for example a second submit */
  FLARE_PEER_GONE = -3,        /**< nothing was heard from the peer for heartbeat_timeout */
  FLARE_ABORTED = -4,          /**< the peer aborted the job, or this task */
  FLARE_STALLED = -5,          /**< the receiver stopped fetching for streaming_idle_timeout */
  FLARE_PROTOCOL = -6,         /**< the peer sent what the wire does not allow */
  FLARE_IO = -7,               /**< a socket or file operation failed */
  FLARE_OUT_OF_MEMORY = -8,
  FLARE_FORKED = -9, /**< the handle was opened before fork() */
  FLARE_INTERNAL = -10,
  FLARE_REFUSED = -11,     /**< the peer refused the session: token, key, version or a name in use */
  FLARE_UNREACHABLE = -12, /**< no peer answered within connect_timeout */
  FLARE_TOO_LARGE = -13    /**< beyond a limit; see the max_* options */
};

typedef struct flare_error flare_error;

/** A short English text for any status, also for one this version does not know. Never NULL. */
FLARE_API const char *flare_status_text(flare_status status) FLARE_NOEXCEPT;

/** The status that the failed call returned; FLARE_OK for NULL. */
FLARE_API flare_status flare_error_status(const flare_error *error) FLARE_NOEXCEPT;
/** What happened and what to do, in English. Never NULL; empty for NULL. */
FLARE_API const char *flare_error_message(const flare_error *error) FLARE_NOEXCEPT;
/** Releases it; NULL does nothing. */
FLARE_API void flare_error_free(flare_error *error) FLARE_NOEXCEPT;

/* ---- Options --------------------------------------------------------------------------------------------- */

typedef struct flare_options flare_options;

/** Empty options: the environment (FLARE_AGENT_* in capitals), the profile file and the defaults decide. What
 *  is set here wins over all of them. NULL only when memory is exhausted. */
FLARE_API flare_options *flare_options_new(void) FLARE_NOEXCEPT;
/** Releases them, also right after the open: it has copied them. */
FLARE_API void flare_options_free(flare_options *options) FLARE_NOEXCEPT;

/** Every option is a name and a text value (durations in seconds, sizes in bytes, `none` or `unlimited` where
 *  the table says so), so that a new option never changes this interface. FLARE_INVALID_ARGUMENT: the name is
 *  unknown (the nearest one is suggested) or the value does not parse. */
FLARE_API FLARE_MUST_USE flare_status flare_options_set(flare_options *options, const char *name, const char *value,
                                                        flare_error **error) FLARE_NOEXCEPT;

/** The table of known options: index from 0 until FLARE_NOT_FOUND. The strings live forever; any output may be
 *  NULL. */
FLARE_API flare_status flare_option_describe(size_t index, const char **name, const char **default_value,
                                             const char **help) FLARE_NOEXCEPT;

/** What an agent would go by if it were opened now: the value of each option and where it came from. */
typedef struct flare_settings flare_settings;

/** Looks where flare_agent_open() looks, for programs that show or check what they were given, and connects to
 *  nothing. `options` may be NULL. FLARE_INVALID_ARGUMENT, FLARE_IO: as flare_agent_open(); but whether the URL can be
 *  used is seen there. */
FLARE_API FLARE_MUST_USE flare_status flare_options_resolve(const flare_options *options, flare_settings **settings,
                                                            flare_error **error) FLARE_NOEXCEPT;
FLARE_API void flare_settings_free(flare_settings *settings) FLARE_NOEXCEPT; /**< Its strings go with it. */
/** By position, as flare_option_describe() counts; any output may be NULL. A secret that is set shows as "***".
 *  `source` is "set by flare_options_set", "environment variable FLARE_AGENT_URL" and the like, "profile PATH", "found
 *  in the working directory", "client API configuration PATH" or "default". FLARE_NOT_FOUND beyond the end, and for
 * NULL. */
FLARE_API flare_status flare_settings_at(const flare_settings *settings, size_t index, const char **value,
                                         const char **source) FLARE_NOEXCEPT;

/* ---- Tensors --------------------------------------------------------------------------------------------- */

/** An element type. The values are those of DLPack: code | bits << 8. */
typedef int32_t flare_dtype;
enum {
  FLARE_INT8 = 0x0800,
  FLARE_INT16 = 0x1000,
  FLARE_INT32 = 0x2000,
  FLARE_INT64 = 0x4000,
  FLARE_UINT8 = 0x0801,
  FLARE_UINT16 = 0x1001,
  FLARE_UINT32 = 0x2001,
  FLARE_UINT64 = 0x4001,
  FLARE_FLOAT16 = 0x1002,
  FLARE_FLOAT32 = 0x2002,
  FLARE_FLOAT64 = 0x4002,
  FLARE_OPAQUE = 0x0803, /**< bytes without a meaning to the library */
  FLARE_BFLOAT16 = 0x1004,
  FLARE_COMPLEX64 = 0x4005,
  FLARE_COMPLEX128 = 0x8005,
  FLARE_BOOL = 0x0806,
  FLARE_FLOAT8_E4M3FN = 0x080a,
  FLARE_FLOAT8_E5M2 = 0x080c
};

/** The bytes of one element; 0 for a dtype that is not in the list. */
FLARE_API size_t flare_dtype_size(flare_dtype dtype) FLARE_NOEXCEPT;

/** A view of elements; it owns nothing. */
typedef struct flare_tensor {
  uint32_t struct_size;
  flare_dtype dtype;
  int32_t ndim;           /**< 0 (a scalar) to 32 */
  int32_t device_type;    /**< 0 or 1 (DLPack's kDLCPU): memory of this host. Others are refused: copy to the host. */
  const void *data;       /**< NULL only when the tensor has no elements; received data is aligned to 64 bytes */
  const int64_t *shape;   /**< ndim entries; NULL when ndim is 0 */
  const int64_t *strides; /**< in elements; NULL means compact and row-major. Received tensors have NULL. */
} flare_tensor;

#define FLARE_TENSOR_INIT \
  { sizeof(flare_tensor), 0, 0, 0, NULL, NULL, NULL }

/* ---- Values ---------------------------------------------------------------------------------------------- */

/** A nested value as FLARE's headers, body and meta hold them: read-only, owned by its shareable. */
typedef struct flare_value flare_value;
typedef int32_t flare_value_type;
enum {
  FLARE_VALUE_NONE = 0,
  FLARE_VALUE_BOOL = 1,
  FLARE_VALUE_INT = 2,
  FLARE_VALUE_DOUBLE = 3,
  FLARE_VALUE_TEXT = 4,
  FLARE_VALUE_BYTES = 5,
  FLARE_VALUE_LIST = 6,
  FLARE_VALUE_MAP = 7,
  FLARE_VALUE_TENSOR = 8,
  FLARE_VALUE_OPAQUE = 9 /**< an object of a type that only Python knows: kept and sent back unchanged */
};

/** The type; FLARE_VALUE_NONE for NULL. */
FLARE_API flare_value_type flare_value_get_type(const flare_value *value) FLARE_NOEXCEPT;
/** BOOL gives 0 or 1, INT its value; FLARE_NOT_FOUND for other types. */
FLARE_API flare_status flare_value_get_int(const flare_value *value, int64_t *out) FLARE_NOEXCEPT;
/** DOUBLE or INT; FLARE_NOT_FOUND for other types. */
FLARE_API flare_status flare_value_get_double(const flare_value *value, double *out) FLARE_NOEXCEPT;
/** TEXT, or the readable type name of an OPAQUE; FLARE_NOT_FOUND for other types. */
FLARE_API flare_status flare_value_get_text(const flare_value *value, const char **out) FLARE_NOEXCEPT;
/** The content of BYTES, OPAQUE and TEXT, whose length is the only way to see a NUL that a peer put inside;
 *  FLARE_NOT_FOUND for other types. */
FLARE_API flare_status flare_value_get_bytes(const flare_value *value, const void **data, size_t *size) FLARE_NOEXCEPT;
/** TENSOR; FLARE_NOT_FOUND for other types. `out->struct_size` must be set. */
FLARE_API flare_status flare_value_get_tensor(const flare_value *value, flare_tensor *out) FLARE_NOEXCEPT;
/** Entries of a LIST or MAP; 0 for other types. */
FLARE_API size_t flare_value_count(const flare_value *value) FLARE_NOEXCEPT;
/** An entry of a LIST or MAP by position, a MAP's in the order of the sender. `key` (may be NULL) is "" in a
 *  LIST. FLARE_NOT_FOUND beyond the end. */
FLARE_API flare_status flare_value_at(const flare_value *value, size_t index, const char **key,
                                      const flare_value **child) FLARE_NOEXCEPT;
/** An entry of a MAP by key; FLARE_NOT_FOUND when there is none. */
FLARE_API flare_status flare_value_find(const flare_value *value, const char *key,
                                        const flare_value **child) FLARE_NOEXCEPT;

/* ---- Shareables: what a task brings and a result carries --------------------------------------------------- */

/*
 * FLARE's Shareable with its DXO: headers, a kind, a body with the tensors, and meta. A shareable belongs to
 * its task, result, request or reply and is never released by itself. A tensor inside nested maps of the body
 * is named by its keys joined with '/'. What a result has under such a name is sent inside the same maps; any other
 * name with '/' is one entry of that name.
 */
typedef struct flare_shareable flare_shareable;

typedef int32_t flare_params_type;
enum { FLARE_PARAMS_NONE = 0, FLARE_PARAMS_FULL = 1, FLARE_PARAMS_DIFF = 2 };

typedef int32_t flare_section;
enum { FLARE_HEADERS = 1, FLARE_BODY = 2, FLARE_META = 3 };

/** How many tensors the body holds. Opaque bytes count as tensors of dtype FLARE_OPAQUE. */
FLARE_API size_t flare_shareable_tensor_count(const flare_shareable *shareable) FLARE_NOEXCEPT;
/** A tensor by position, in the order of the sender; FLARE_NOT_FOUND beyond the end. `name` or `tensor` may be
 *  NULL. */
FLARE_API flare_status flare_shareable_tensor_at(const flare_shareable *shareable, size_t index, const char **name,
                                                 flare_tensor *tensor) FLARE_NOEXCEPT;
/** A view of a tensor by name; FLARE_NOT_FOUND when there is none. `tensor` may be NULL to ask only. */
FLARE_API flare_status flare_shareable_find_tensor(const flare_shareable *shareable, const char *name,
                                                   flare_tensor *tensor) FLARE_NOEXCEPT;
/** Copies a tensor into your memory of `count` elements of `dtype`. FLARE_NOT_FOUND: no such tensor (with an
 *  error that lists the names, as a misspelt name is a mistake). FLARE_INVALID_ARGUMENT: another dtype or
 *  another number of elements. `out` may be NULL when `count` is 0. */
FLARE_API FLARE_MUST_USE flare_status flare_shareable_read_tensor(const flare_shareable *shareable, const char *name,
                                                                  flare_dtype dtype, void *out, size_t count,
                                                                  flare_error **error) FLARE_NOEXCEPT;
/** A view of an entry of opaque bytes (an XGBoost model, for example); FLARE_NOT_FOUND when there is none. */
FLARE_API flare_status flare_shareable_find_bytes(const flare_shareable *shareable, const char *name, const void **data,
                                                  size_t *size) FLARE_NOEXCEPT;

/** The DXO's data kind, for example "WEIGHTS", "WEIGHT_DIFF" or "METRICS"; "" when there is no DXO. */
FLARE_API const char *flare_shareable_kind(const flare_shareable *shareable) FLARE_NOEXCEPT;
/** FLModel's params_type: FULL for WEIGHTS, DIFF for WEIGHT_DIFF, else NONE. */
FLARE_API flare_params_type flare_shareable_params_type(const flare_shareable *shareable) FLARE_NOEXCEPT;
/** The return code header, "OK" when absent (NVFlare's ReturnCode texts). */
FLARE_API const char *flare_shareable_return_code(const flare_shareable *shareable) FLARE_NOEXCEPT;
/** Why the task failed, in the words of whoever failed it; "" when nothing was said. */
FLARE_API const char *flare_shareable_reason(const flare_shareable *shareable) FLARE_NOEXCEPT;
/** A metric by name, wherever the kind puts it; FLARE_NOT_FOUND when there is none. */
FLARE_API flare_status flare_shareable_metric(const flare_shareable *shareable, const char *name,
                                              double *value) FLARE_NOEXCEPT;
/** NUM_STEPS_CURRENT_ROUND of the meta, the weight in averaging; FLARE_NOT_FOUND when absent. */
FLARE_API flare_status flare_shareable_steps(const flare_shareable *shareable, int64_t *steps) FLARE_NOEXCEPT;
/** A whole section as a MAP; an empty one when nothing is there. NULL for an unknown section. */
FLARE_API const flare_value *flare_shareable_section(const flare_shareable *shareable,
                                                     flare_section section) FLARE_NOEXCEPT;

/*
 * Writing. Only the shareable of a result or request that was not yet submitted can be written;
 * FLARE_INVALID_STATE otherwise. Writing a name again replaces its value.
 */

/** Copies the elements; your memory is free again when the call returns. FLARE_INVALID_ARGUMENT: unknown dtype,
 *  a negative or overflowing shape, missing data, or a foreign device. FLARE_TOO_LARGE: beyond
 *  max_tensor_bytes. */
FLARE_API FLARE_MUST_USE flare_status flare_shareable_copy_tensor(flare_shareable *shareable, const char *name,
                                                                  const flare_tensor *tensor,
                                                                  flare_error **error) FLARE_NOEXCEPT;
/** Copies nothing: leave the elements alone until the upload is settled, that is until a wait for
 *  FLARE_DELIVERED returned anything but FLARE_TIMEOUT, or the handle was released (which waits for that). The
 *  tensor must be compact. Errors as flare_shareable_copy_tensor(). */
FLARE_API FLARE_MUST_USE flare_status flare_shareable_borrow_tensor(flare_shareable *shareable, const char *name,
                                                                    const flare_tensor *tensor,
                                                                    flare_error **error) FLARE_NOEXCEPT;
/** Copies opaque bytes. */
FLARE_API FLARE_MUST_USE flare_status flare_shareable_copy_bytes(flare_shareable *shareable, const char *name,
                                                                 const void *data, size_t size,
                                                                 flare_error **error) FLARE_NOEXCEPT;
/** The DXO's data kind. Without a call it follows from the content: the task's own kind when there are tensors,
 *  METRICS when there are only metrics. */
FLARE_API FLARE_MUST_USE flare_status flare_shareable_set_kind(flare_shareable *shareable, const char *kind,
                                                               flare_error **error) FLARE_NOEXCEPT;
/** NVFlare's return code; "OK" without a call. */
FLARE_API FLARE_MUST_USE flare_status flare_shareable_set_return_code(flare_shareable *shareable, const char *code,
                                                                      flare_error **error) FLARE_NOEXCEPT;
/** A metric; the library puts it where the kind wants it (initial_metrics beside weights, else the body). */
FLARE_API FLARE_MUST_USE flare_status flare_shareable_set_metric(flare_shareable *shareable, const char *name,
                                                                 double value, flare_error **error) FLARE_NOEXCEPT;
/** NUM_STEPS_CURRENT_ROUND, the weight in averaging; at least 0. */
FLARE_API FLARE_MUST_USE flare_status flare_shareable_set_steps(flare_shareable *shareable, int64_t steps,
                                                                flare_error **error) FLARE_NOEXCEPT;
/** An entry of a section; in FLARE_BODY beside the tensors. FLARE_INVALID_ARGUMENT: an unknown section. */
FLARE_API FLARE_MUST_USE flare_status flare_shareable_set_int(flare_shareable *shareable, flare_section section,
                                                              const char *name, int64_t value,
                                                              flare_error **error) FLARE_NOEXCEPT;
/** As flare_shareable_set_int(). */
FLARE_API FLARE_MUST_USE flare_status flare_shareable_set_double(flare_shareable *shareable, flare_section section,
                                                                 const char *name, double value,
                                                                 flare_error **error) FLARE_NOEXCEPT;
/** As flare_shareable_set_int(). */
FLARE_API FLARE_MUST_USE flare_status flare_shareable_set_text(flare_shareable *shareable, flare_section section,
                                                               const char *name, const char *value,
                                                               flare_error **error) FLARE_NOEXCEPT;
/** As flare_shareable_set_int(), of a nested value in JSON. FLARE_INVALID_ARGUMENT says where it does not parse. */
FLARE_API FLARE_MUST_USE flare_status flare_shareable_set_json(flare_shareable *shareable, flare_section section,
                                                               const char *name, const char *json,
                                                               flare_error **error) FLARE_NOEXCEPT;

/* ---- Agent ----------------------------------------------------------------------------------------------- */

typedef struct flare_agent flare_agent;
typedef struct flare_task flare_task;
typedef struct flare_result flare_result;

#define FLARE_WAIT_FOREVER ((int64_t)-1)

/** Opens an agent: one session with one exchanger, or with NVFlare 2.8 itself over its own pipe (the URLs `nvflare:`
 *  and `cell+tcp:`; CP rules). Does not wait for the peer (AG-01, AG-02). `options` may be NULL; it is copied. Without
 * a URL it goes by what NVFlare left in the working directory: config/flare_agent.json, a profile, or
 *  config/client_api_config.json, the file of NVFlare up to 2.8. Without that but with the option rendezvous_dir it
 * takes part in the job that has waited longest there, or in the next that comes within connect_timeout; a resident
 * closes it at the end of the job and opens another. FLARE_INVALID_ARGUMENT: neither a URL nor a rendezvous anywhere,
 * an option that does not parse, or a job that asks for what only Python can; the message names the value, where it
 * came from and what to change. FLARE_INVALID_STATE: a launcher says that this process has another rank than 0 (option
 * rank). FLARE_IO: the socket could not be made, or the rendezvous cannot be used. */
FLARE_API FLARE_MUST_USE flare_status flare_agent_open(const flare_options *options, flare_agent **agent,
                                                       flare_error **error) FLARE_NOEXCEPT;

/** Waits until the session is up. FLARE_STOPPED, FLARE_ENDED, FLARE_ABORTED, FLARE_PEER_GONE, FLARE_REFUSED (also
 *  when every job in the rendezvous has another agent of this name), FLARE_UNREACHABLE (no answer, or no job there,
 *  within connect_timeout): it never will be. */
FLARE_API FLARE_MUST_USE flare_status flare_agent_wait_connected(flare_agent *agent, int64_t timeout_ms,
                                                                 flare_error **error) FLARE_NOEXCEPT;
/** For flare_agent_wait_connected(): readable while the session is up, and once it never will be. -1 for NULL. */
FLARE_API int flare_agent_connected_poll_fd(const flare_agent *agent) FLARE_NOEXCEPT;

/** Makes every present and later wait of this agent, its tasks and results return FLARE_STOPPED at once.
 *  Callable from any thread, more than once, and from a signal handler (it is async-signal-safe) as long as the
 *  agent is not closed meanwhile. Uploads go on until flare_agent_close(). */
FLARE_API void flare_agent_stop(flare_agent *agent) FLARE_NOEXCEPT;

/** Stops, lets submitted results finish and says goodbye, for at most the option close_timeout, and releases
 *  the agent. Tasks and results taken from it may still be read and released. Metrics that wait are sent first, but not
 *  waited for while there is no connection: a program that only logs calls flare_agent_wait_connected() before. */
FLARE_API void flare_agent_close(flare_agent *agent) FLARE_NOEXCEPT;

/** The next task with all its data. One task is in hand at a time: FLARE_INVALID_STATE while the one before was
 *  neither submitted, failed nor released (AG-06). FLARE_ENDED, FLARE_STOPPED, or FLARE_ABORTED, FLARE_PEER_GONE,
 *  FLARE_REFUSED, FLARE_UNREACHABLE: no more tasks will come. */
FLARE_API FLARE_MUST_USE flare_status flare_agent_next_task(flare_agent *agent, int64_t timeout_ms, flare_task **task,
                                                            flare_error **error) FLARE_NOEXCEPT;

/** For flare_agent_next_task(); also readable once no more tasks will come. -1 for NULL. */
FLARE_API int flare_agent_poll_fd(const flare_agent *agent) FLARE_NOEXCEPT;

typedef int32_t flare_state;
enum {
  FLARE_STATE_CONNECTING = 0,
  FLARE_STATE_CONNECTED = 1,
  FLARE_STATE_ENDED = 2,
  FLARE_STATE_STOPPED = 3,
  FLARE_STATE_ABORTED = 4,
  FLARE_STATE_PEER_GONE = 5,
  FLARE_STATE_REFUSED = 6,
  FLARE_STATE_UNREACHABLE = 7
};

/** 1 once a process that was launched for one task (option launch_once `false`) has delivered its result and should
 *  end (AG-43); the library never ends it. Else 0. */
FLARE_API int32_t flare_agent_should_exit(const flare_agent *agent) FLARE_NOEXCEPT;

/** Closes every agent of this process that is still open, as flare_agent_close() does but for the handles: they are
 *  still to be released. For programs that may leave by exit(): atexit(flare_shutdown) makes results that were
 *  submitted survive that, within close_timeout (AG-52). The library never installs it. Harmless more than once; in a
 *  forked child it leaves alone what the parent opened. */
FLARE_API void flare_shutdown(void) FLARE_NOEXCEPT;

/** Where the session stands now. A lost connection shows as CONNECTING until it is back or given up. */
FLARE_API flare_state flare_agent_state(const flare_agent *agent) FLARE_NOEXCEPT;

/** What is known about the session, as text: "url", "url_source", "agent_id", "site", "job_id", "peer_version",
 *  "wire_version", "close_reason". FLARE_NOT_FOUND for other names or while unknown. The text is valid until
 *  the agent is closed. */
FLARE_API flare_status flare_agent_info(flare_agent *agent, const char *name, const char **value) FLARE_NOEXCEPT;

/** Counters since open. */
typedef struct flare_agent_stats {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t tasks_received;
  int64_t results_accepted;
  int64_t results_delivered;
  int64_t results_failed;
  int64_t bytes_received; /**< tensor bytes */
  int64_t bytes_sent;     /**< tensor bytes */
  int64_t metrics_sent;
  int64_t metrics_dropped; /**< lost to a full queue (metric_queue) or to the end of the session */
  int64_t reconnects;
  int64_t duplicates_dropped;
  int64_t frames_rejected; /**< malformed, of an old session, or beyond a limit */
} flare_agent_stats;

#define FLARE_AGENT_STATS_INIT \
  { sizeof(flare_agent_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** Fills the fields that `stats->struct_size` covers. FLARE_INVALID_ARGUMENT for NULL. */
FLARE_API flare_status flare_agent_get_stats(const flare_agent *agent, flare_agent_stats *stats) FLARE_NOEXCEPT;

#define FLARE_NO_STEP ((int64_t)-1)

/** Sends one number to FLARE's experiment tracking (AnalyticsDataType SCALAR). Metrics are queued, batched, kept
 *  in order and acknowledged; the call never waits. A full queue drops the oldest and counts it in the stats.
 *  `step` may be FLARE_NO_STEP. FLARE_ENDED, FLARE_STOPPED, FLARE_ABORTED, FLARE_PEER_GONE and the like once the
 *  session is over (AG-16). */
FLARE_API FLARE_MUST_USE flare_status flare_agent_log_scalar(flare_agent *agent, const char *name, double value,
                                                             int64_t step, flare_error **error) FLARE_NOEXCEPT;
/** The same for any other AnalyticsDataType ("SCALARS", "TEXT", "PARAMETER", "PARAMETERS", "METRIC", "METRICS",
 *  "TAG", "TAGS", "IMAGE", "MODEL", "ARTIFACT", "FIGURE" ...); the value is JSON. `path` (may be NULL) names the
 *  local file of an artifact. FLARE_INVALID_ARGUMENT: not an AnalyticsDataType, or not JSON. FLARE_TOO_LARGE:
 *  more than 1 MiB: send it as a tensor or as bytes of the result. */
FLARE_API FLARE_MUST_USE flare_status flare_agent_log_json(flare_agent *agent, const char *type, const char *name,
                                                           const char *json, int64_t step, const char *path,
                                                           flare_error **error) FLARE_NOEXCEPT;

typedef struct flare_log_record flare_log_record;
typedef int32_t flare_log_level;
enum { FLARE_LOG_DEBUG = 1, FLARE_LOG_INFO = 2, FLARE_LOG_WARN = 3, FLARE_LOG_ERROR = 4 };

/** The next record of the library's own log, for a program that writes a log itself: those of the option log_level
 *  and above, in order, whatever log_file is (`none`: they go nowhere else). The last 1,000 unread ones are kept;
 *  a record says how many were lost. FLARE_STOPPED: this agent was stopped and all is read. */
FLARE_API FLARE_MUST_USE flare_status flare_agent_next_log_record(flare_agent *agent, int64_t timeout_ms,
                                                                  flare_log_record **record,
                                                                  flare_error **error) FLARE_NOEXCEPT;
/** For flare_agent_next_log_record(); -1 for NULL. */
FLARE_API int flare_agent_log_poll_fd(const flare_agent *agent) FLARE_NOEXCEPT;
/** Releases it; the agent may be closed already. */
FLARE_API void flare_log_record_free(flare_log_record *record) FLARE_NOEXCEPT;
/** FLARE_LOG_DEBUG for NULL. */
FLARE_API flare_log_level flare_log_record_level(const flare_log_record *record) FLARE_NOEXCEPT;
/** One line, in English. Never NULL; empty for NULL. */
FLARE_API const char *flare_log_record_text(const flare_log_record *record) FLARE_NOEXCEPT;

/* ---- Task ------------------------------------------------------------------------------------------------ */

typedef int32_t flare_task_kind;
enum {
  FLARE_TASK_OTHER = 0,
  FLARE_TASK_TRAIN = 1,       /**< the name is the option train_task_name */
  FLARE_TASK_VALIDATE = 2,    /**< evaluate_task_name */
  FLARE_TASK_SUBMIT_MODEL = 3 /**< submit_model_task_name */
};

/** A task released without a result is answered with a failure that says so, or why its result was refused by
 *  flare_result_submit(), so that the job does not hang. Releasing it after submit loses nothing. */
FLARE_API void flare_task_free(flare_task *task) FLARE_NOEXCEPT;
/** What is asked for, by the names that the options of the agent give; FLARE_TASK_OTHER for other names. */
FLARE_API flare_task_kind flare_task_get_kind(const flare_task *task) FLARE_NOEXCEPT;
/** The id that the peer gave it; the same when it is handed out again. Never NULL. */
FLARE_API const char *flare_task_id(const flare_task *task) FLARE_NOEXCEPT;
/** FLARE's name of it, for example "train". Never NULL. */
FLARE_API const char *flare_task_name(const flare_task *task) FLARE_NOEXCEPT;
/** 1 for the first time this task is handed out to any trainer, as the peer counts. */
FLARE_API int64_t flare_task_attempt(const flare_task *task) FLARE_NOEXCEPT;
/** The round, from the header (AG-11); -1 when the peer did not say. */
FLARE_API int64_t flare_task_round(const flare_task *task) FLARE_NOEXCEPT;
/** The number of rounds; -1 when the peer did not say. */
FLARE_API int64_t flare_task_total_rounds(const flare_task *task) FLARE_NOEXCEPT;
FLARE_API const char *flare_task_job_id(const flare_task *task) FLARE_NOEXCEPT; /**< "" when the peer did not say */
FLARE_API const char *flare_task_site(const flare_task *task) FLARE_NOEXCEPT;   /**< "" when the peer did not say */
/** 1 once nobody wants the result any more: the task or job was aborted, or the session is over. Costs one
 *  atomic load: ask it in the training loop. */
FLARE_API int32_t flare_task_is_aborted(const flare_task *task) FLARE_NOEXCEPT;
/** What the task brought. Read-only, valid until flare_task_free(). */
FLARE_API const flare_shareable *flare_task_shareable(const flare_task *task) FLARE_NOEXCEPT;
/** Answers the task with a failure instead of a result: a return code of NVFlare ("EXECUTION_EXCEPTION",
 *  "BAD_TASK_DATA", "TASK_UNSUPPORTED" ...) and a reason for its log. FLARE_INVALID_STATE: the task already has a
 *  submitted result or failed. */
FLARE_API FLARE_MUST_USE flare_status flare_task_fail(flare_task *task, const char *return_code, const char *reason,
                                                      flare_error **error) FLARE_NOEXCEPT;

/* ---- Result ---------------------------------------------------------------------------------------------- */

/** The result of a task: one per task. FLARE_INVALID_STATE: it already has one, or failed. */
FLARE_API FLARE_MUST_USE flare_status flare_result_new(flare_task *task, flare_result **result,
                                                       flare_error **error) FLARE_NOEXCEPT;
/** Before submit: drops the result (the task may make another). After submit: the upload goes on with what was
 *  copied; with borrowed tensors the call waits until the upload is settled. */
FLARE_API void flare_result_free(flare_result *result) FLARE_NOEXCEPT;
/** What the result carries, to be filled. NULL for NULL. */
FLARE_API flare_shareable *flare_result_shareable(flare_result *result) FLARE_NOEXCEPT;

/** Starts sending and returns. Once per result (AG-13, AG-15); the next task may then be taken while the upload
 *  runs. A model that answers a training task must fit the task's (option check_results) and is sent as the option
 *  params_transfer_type says. FLARE_INVALID_ARGUMENT names the tensors that do not fit or have no difference: correct
 *  the result and submit it again, or fail the task with "EXECUTION_RESULT_ERROR". FLARE_INVALID_STATE: already
 *  submitted. FLARE_ABORTED: nobody wants it any more. FLARE_ENDED, FLARE_STOPPED, FLARE_PEER_GONE and the like: the
 *  session is over. */
FLARE_API FLARE_MUST_USE flare_status flare_result_submit(flare_result *result, flare_error **error) FLARE_NOEXCEPT;

/** What a wait waits for. */
typedef int32_t flare_level;
enum {
  FLARE_ACCEPTED = 1, /**< the peer has the result's message and answers for it; tensors may still be fetched */
  FLARE_DELIVERED = 2 /**< every receiver has fetched and checked every byte: this process may go */
};

/** Waits for a submitted result (AG-20..AG-43; docs/gating.md). As long as bytes are fetched it may take as long as it
 *  takes: what ends it is silence. FLARE_STALLED: a receiver fetched nothing for streaming_idle_timeout, or never
 *  began. FLARE_ABORTED: a receiver gave up, the task was aborted, or the result cancelled. FLARE_PEER_GONE,
 *  FLARE_REFUSED, FLARE_ENDED: the session is over. FLARE_STOPPED: the agent was stopped, and the half second that a
 *  delivery under way then gets is over. The error says which transfer and receiver. FLARE_INVALID_STATE: not
 *  submitted. */
FLARE_API FLARE_MUST_USE flare_status flare_result_wait(flare_result *result, flare_level level, int64_t timeout_ms,
                                                        flare_error **error) FLARE_NOEXCEPT;
/** Submits and waits until delivered: the two calls in one, with the errors of both. FLARE_ENDED, although it is no
 *  failure elsewhere, means here that the job ended before the result was safe. */
FLARE_API FLARE_MUST_USE flare_status flare_result_finish(flare_result *result, int64_t timeout_ms,
                                                          flare_error **error) FLARE_NOEXCEPT;
/** Gives a submitted result up: receivers are told, waits return FLARE_ABORTED. Nothing happens when it is
 *  settled already. */
FLARE_API void flare_result_cancel(flare_result *result) FLARE_NOEXCEPT;
/** For flare_result_wait() with that level; -1 for NULL, before the submit, and for an unknown level. */
FLARE_API int flare_result_poll_fd(const flare_result *result, flare_level level) FLARE_NOEXCEPT;

typedef int32_t flare_upload_state;
enum {
  FLARE_UPLOAD_WAITING = 0,   /**< nothing was fetched yet */
  FLARE_UPLOAD_ACTIVE = 1,    /**< being fetched */
  FLARE_UPLOAD_DELIVERED = 2, /**< fetched and checked */
  FLARE_UPLOAD_FAILED = 3     /**< given up by a receiver, by the gate (stalled, not started) or by us */
};

/** How far an upload is, or one receiver of it. */
typedef struct flare_progress {
  uint32_t struct_size;
  flare_upload_state state;
  int64_t bytes_total; /**< to fetch, over all receivers */
  int64_t bytes_done;
  int64_t items_total; /**< objects to fetch, over all receivers: large tensors, and packs of small ones */
  int64_t items_done;
  double bytes_per_second; /**< bytes_done per second from the submit until now, or until it was settled */
  int64_t changes;         /**< counts what there was to see; see flare_result_wait_progress() */
} flare_progress;

#define FLARE_PROGRESS_INIT \
  { sizeof(flare_progress), 0, 0, 0, 0, 0, 0, 0 }

/** A snapshot, at any time; all zero before the submit. FLARE_INVALID_ARGUMENT for NULL. */
FLARE_API flare_status flare_result_progress(const flare_result *result, flare_progress *progress) FLARE_NOEXCEPT;
/** Waits for news: until there were more changes than `progress->changes`, or the upload is settled; then it is a
 *  flare_result_progress(). Begin with FLARE_PROGRESS_INIT and give the same struct again. FLARE_STOPPED: the agent
 *  was stopped. FLARE_INVALID_STATE: not submitted. */
FLARE_API FLARE_MUST_USE flare_status flare_result_wait_progress(flare_result *result, int64_t timeout_ms,
                                                                 flare_progress *progress,
                                                                 flare_error **error) FLARE_NOEXCEPT;
/** For flare_result_wait_progress(), once the last news were fetched by it; -1 for NULL and before the submit. */
FLARE_API int flare_result_progress_poll_fd(const flare_result *result) FLARE_NOEXCEPT;
/** One receiver's part, by index from 0 until FLARE_NOT_FOUND, in the order in which the task declared them (AG-10).
 *  `name` and `progress` may be NULL; the name is "" when the peer alone is the receiver, and lives as long as the
 *  result. FLARE_NOT_FOUND before the submit as well. */
FLARE_API flare_status flare_result_receiver_at(const flare_result *result, size_t index, const char **name,
                                                flare_progress *progress) FLARE_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif /* FLARE_AGENT_H */
