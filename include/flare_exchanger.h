/*
 * flare_exchanger.h - the peer of an agent: serves tasks, collects results and metrics.
 *
 * For those who put trainers to work: NVFlare's side of a site, simulators, mocks and tests. A trainer needs
 * only flare_agent.h, whose rules hold here too. One exchanger serves one agent at a time: a pipe is point to
 * point.
 *
 *   flare_exchanger_open(options, &exchanger, &error);        binds; hand flare_exchanger_url() to the trainer
 *   flare_request_new(exchanger, "train", &request, &error);
 *   flare_shareable_copy_tensor(flare_request_shareable(request), "w", &tensor, &error);
 *   flare_request_send(request, &error);
 *   flare_request_wait(request, FLARE_WAIT_FOREVER, &reply, &error);
 *   flare_shareable_read_tensor(flare_reply_shareable(reply), "w", FLARE_FLOAT32, w, 100, &error);
 *   flare_exchanger_end(exchanger, &error);
 *   flare_exchanger_close(exchanger);
 */
#ifndef FLARE_EXCHANGER_H
#define FLARE_EXCHANGER_H

#include "flare_agent.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct flare_exchanger flare_exchanger;
typedef struct flare_request flare_request;
typedef struct flare_reply flare_reply;
typedef struct flare_metric flare_metric;

/* ---- Exchanger ------------------------------------------------------------------------------------------- */

/** Opens an exchanger and binds the option url ("zmq+ipc://PATH", "zmq+tcp://127.0.0.1:*", "memory://NAME"). The
 *  options are those of the agent; job_id, site, agent_id and token are what an agent is told and must show. With the
 *  option rendezvous_dir it is found there by agents of agent_id until the job is over; its url is a socket beside its
 *  entry and its token a new one unless they are given. Where the exchanger of this job before it was killed, it takes
 *  over port and token, so that an agent which is still there comes back.
 *  FLARE_INVALID_ARGUMENT: no URL, an unknown scheme, keys that are not right (the options curve_*), an address other
 *  than loopback without keys or allow_insecure, a job_id or agent_id that the rendezvous cannot use as a name.
 *  FLARE_IO: the address cannot be bound, a file cannot be read or written, or another process serves the job. */
FLARE_API FLARE_MUST_USE flare_status flare_exchanger_open(const flare_options *options, flare_exchanger **exchanger,
                                                           flare_error **error) FLARE_NOEXCEPT;
/** The URL that an agent connects to: a wildcard port is replaced by the real one, the host by the option advertise.
 *  Never NULL. */
FLARE_API const char *flare_exchanger_url(const flare_exchanger *exchanger) FLARE_NOEXCEPT;
/** Waits until an agent is connected. FLARE_STOPPED, FLARE_ENDED, FLARE_ABORTED, FLARE_PEER_GONE: it never will. */
FLARE_API FLARE_MUST_USE flare_status flare_exchanger_wait_connected(flare_exchanger *exchanger, int64_t timeout_ms,
                                                                     flare_error **error) FLARE_NOEXCEPT;
/** For flare_exchanger_wait_connected(); -1 for NULL. */
FLARE_API int flare_exchanger_connected_poll_fd(const flare_exchanger *exchanger) FLARE_NOEXCEPT;
/** CONNECTING until an agent is there, and again while one is lost and may come back. */
FLARE_API flare_state flare_exchanger_state(const flare_exchanger *exchanger) FLARE_NOEXCEPT;
/** Tells the agent that the job is over (TX-02); it answers its waits with FLARE_ENDED. Results on their way are
 *  still received. Sending tasks afterwards is FLARE_ENDED. FLARE_ENDED, FLARE_ABORTED, FLARE_STOPPED, FLARE_PEER_GONE:
 *  it was over already. */
FLARE_API FLARE_MUST_USE flare_status flare_exchanger_end(flare_exchanger *exchanger, const char *reason,
                                                          flare_error **error) FLARE_NOEXCEPT;
/** Aborts the job: the agent answers its waits with FLARE_ABORTED and `reason`. Errors as flare_exchanger_end(). */
FLARE_API FLARE_MUST_USE flare_status flare_exchanger_abort(flare_exchanger *exchanger, const char *reason,
                                                            flare_error **error) FLARE_NOEXCEPT;
/** Makes every present and later wait return FLARE_STOPPED at once. Callable from any thread. */
FLARE_API void flare_exchanger_stop(flare_exchanger *exchanger) FLARE_NOEXCEPT;
/** Ends the job if it was not ended, waits for at most close_timeout until the agent has heard it, and that its results
 *  are here, and releases. An agent whose connection was lost without a goodbye is waited for too. Without an agent it
 *  returns at once. */
FLARE_API void flare_exchanger_close(flare_exchanger *exchanger) FLARE_NOEXCEPT;

/* ---- Request: a task on its way -------------------------------------------------------------------------- */

/** A task to be filled and sent. `task_name` is FLARE's name of it, for example "train". */
FLARE_API FLARE_MUST_USE flare_status flare_request_new(flare_exchanger *exchanger, const char *task_name,
                                                        flare_request **request, flare_error **error) FLARE_NOEXCEPT;
/** Before send: drops it. After send: a request without a reply is aborted (the agent is told), which gives borrowed
 *  tensors back at once; with a reply nothing reads them any more. It never waits for the peer. */
FLARE_API void flare_request_free(flare_request *request) FLARE_NOEXCEPT;
/** What the task brings, to be filled before the send. NULL for NULL. */
FLARE_API flare_shareable *flare_request_shareable(flare_request *request) FLARE_NOEXCEPT;
/** The task id; without a call a new unique one. A task that is sent again after a restart keeps its id, so that
 *  a finished result is not computed twice. FLARE_INVALID_STATE: sent already. */
FLARE_API FLARE_MUST_USE flare_status flare_request_set_id(flare_request *request, const char *task_id,
                                                           flare_error **error) FLARE_NOEXCEPT;
/** Sets the round headers; -1 leaves one out. FLARE_INVALID_STATE: sent already. */
FLARE_API FLARE_MUST_USE flare_status flare_request_set_round(flare_request *request, int64_t current, int64_t total,
                                                              flare_error **error) FLARE_NOEXCEPT;
/** 1 without a call; a task handed out again has the next number. FLARE_INVALID_STATE: sent already. */
FLARE_API FLARE_MUST_USE flare_status flare_request_set_attempt(flare_request *request, int64_t attempt,
                                                                flare_error **error) FLARE_NOEXCEPT;
/** Declares a receiver of the result (AG-10), up to 256 bytes of name. Without a call this exchanger is the only one
 * and has no name. With calls it is the first that was declared, and the others are those who fetch the result from
 * here, NVFlare's server for example: the trainer's result counts as delivered once flare_reply_confirm() was called
 * for each of them; one without a byte of tensors counts as delivered with its message. A name declared again is one
 * receiver. FLARE_INVALID_STATE: sent already. FLARE_TOO_LARGE: more than 1,024. */
FLARE_API FLARE_MUST_USE flare_status flare_request_add_receiver(flare_request *request, const char *receiver,
                                                                 flare_error **error) FLARE_NOEXCEPT;
/** Queues the task; it is handed over when an agent is there and has its hands free. FLARE_INVALID_STATE: sent
 *  already. FLARE_ENDED, FLARE_STOPPED, FLARE_ABORTED: too late. */
FLARE_API FLARE_MUST_USE flare_status flare_request_send(flare_request *request, flare_error **error) FLARE_NOEXCEPT;
/** Waits for the result with all its tensors (the trainer's FLARE_DELIVERED); each call after the first OK gives
 *  a further handle on the same reply. FLARE_ABORTED: the task or job was aborted. FLARE_PEER_GONE: the agent is
 *  gone. FLARE_STALLED, FLARE_PROTOCOL: the result could not be fetched. */
FLARE_API FLARE_MUST_USE flare_status flare_request_wait(flare_request *request, int64_t timeout_ms,
                                                         flare_reply **reply, flare_error **error) FLARE_NOEXCEPT;
/** For flare_request_wait(); -1 for NULL and before the send. */
FLARE_API int flare_request_poll_fd(const flare_request *request) FLARE_NOEXCEPT;
/** Tells the agent that nobody wants this task any more; the session goes on (W-14). */
FLARE_API void flare_request_abort(flare_request *request) FLARE_NOEXCEPT;

/* ---- Reply: the result of a task ------------------------------------------------------------------------- */

/** Releases this handle; other handles on the same reply stay good. */
FLARE_API void flare_reply_free(flare_reply *reply) FLARE_NOEXCEPT;
/** What the result carries. Read-only, valid until flare_reply_free(). NULL for NULL. Whoever has the only handle of a
 *  result may write to the elements of its tensors in place. */
FLARE_API const flare_shareable *flare_reply_shareable(const flare_reply *reply) FLARE_NOEXCEPT;

/** Tells the trainer how far a declared receiver (not the first) is that fetches the result from here: `bytes` of all
 *  its tensors. It is what keeps streaming_idle_timeout from running out. What does not grow, or is more than there is,
 *  is ignored there, and so is all once the session is over. FLARE_NOT_FOUND: not declared, or the first.
 * FLARE_STOPPED: the exchanger was closed. */
FLARE_API FLARE_MUST_USE flare_status flare_reply_report(flare_reply *reply, const char *receiver, int64_t bytes,
                                                         flare_error **error) FLARE_NOEXCEPT;
/** Tells the trainer that a declared receiver (not the first) has everything (`success` 1), or gave up (0) for this
 *  reason, which may be NULL. The first word counts. Errors as flare_reply_report(). */
FLARE_API FLARE_MUST_USE flare_status flare_reply_confirm(flare_reply *reply, const char *receiver, int32_t success,
                                                          const char *reason, flare_error **error) FLARE_NOEXCEPT;

/* ---- Metrics --------------------------------------------------------------------------------------------- */

/** The next metric record, in the order of the trainer; those that were lost on their way come when they were sent
 *  again, behind later ones. At the end of the session what has arrived is given out before FLARE_ENDED and the
 *  like. */
FLARE_API FLARE_MUST_USE flare_status flare_exchanger_next_metric(flare_exchanger *exchanger, int64_t timeout_ms,
                                                                  flare_metric **metric,
                                                                  flare_error **error) FLARE_NOEXCEPT;
/** For flare_exchanger_next_metric(); -1 for NULL. */
FLARE_API int flare_exchanger_metric_poll_fd(const flare_exchanger *exchanger) FLARE_NOEXCEPT;
/** Releases it; the exchanger may be closed already. */
FLARE_API void flare_metric_free(flare_metric *metric) FLARE_NOEXCEPT;
/** AnalyticsDataType, for example "SCALAR". */
FLARE_API const char *flare_metric_type(const flare_metric *metric) FLARE_NOEXCEPT;
/** The name it was logged under. Never NULL. */
FLARE_API const char *flare_metric_name(const flare_metric *metric) FLARE_NOEXCEPT;
/** What was logged: a DOUBLE by flare_agent_log_scalar(), else what the JSON said. NULL for NULL. */
FLARE_API const flare_value *flare_metric_value(const flare_metric *metric) FLARE_NOEXCEPT;
FLARE_API int64_t flare_metric_step(const flare_metric *metric) FLARE_NOEXCEPT;     /**< or FLARE_NO_STEP */
FLARE_API const char *flare_metric_path(const flare_metric *metric) FLARE_NOEXCEPT; /**< "" when there is none */

#ifdef __cplusplus
}
#endif

#endif /* FLARE_EXCHANGER_H */
