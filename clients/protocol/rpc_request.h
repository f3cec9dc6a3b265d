#ifndef GNATTER_RPC_REQUEST_H
#define GNATTER_RPC_REQUEST_H
/*
 * The payload of rpc/<method>/<request id>: a JSON object, strictly (json.h says how). No I/O; cJSON allocates.
 */
#include "status.h"
#include "topic.h"

struct cJSON;

/* STATUS_TOO_LARGE: above LIMIT_RPC_BYTES. STATUS_MALFORMED: not such an object. STATUS_NO_MEMORY.
 * Gives *ret_params: free with cJSON_Delete. */
MUST_CHECK enum status rpc_request_parse(struct slice payload, struct cJSON **ret_params);

#endif
