#ifndef GNATTER_ANSWER_H
#define GNATTER_ANSWER_H
/* Small things said to one device. The courier's thread. */
#include "courier.h"

/* rpc/<request id> with that JSON */
void answer_rpc(struct courier *courier, session_ref session, struct slice request_id, struct slice correlation,
                struct slice json);
/* {"error": {"code": ..., "message": ..., "retry_after_ms": ...}}; retry_after_ms 0: none. Plain ASCII texts. */
void answer_rpc_error(struct courier *courier, session_ref session, struct slice request_id, struct slice correlation,
                      const char *code, const char *message, int64_t retry_after_ms);
/* error/-/-/<code> with {"topic": ..., "message": ...} */
void answer_error(struct courier *courier, session_ref session, const char *code, const char *topic,
                  const char *message);
/* synced with {"replayed": n} */
void answer_synced(struct courier *courier, session_ref session, uint64_t replayed);
/* flags/<conversation> with that JSON, QoS 0 */
void answer_flags(struct courier *courier, session_ref session, struct slice conversation, struct slice json);

#endif
