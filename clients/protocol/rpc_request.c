#include "rpc_request.h"
#include "json.h"

#include <cjson/cJSON.h>

enum status rpc_request_parse(struct slice payload, struct cJSON **ret_params)
{
    if (payload.len > LIMIT_RPC_BYTES)
        return STATUS_TOO_LARGE;
    cJSON *params;
    enum status status = json_parse(payload, false, &params);
    if (status != STATUS_OK)
        return status;
    if (!cJSON_IsObject(params)) {
        cJSON_Delete(params);
        return STATUS_MALFORMED;
    }
    *ret_params = params;
    return STATUS_OK;
}
