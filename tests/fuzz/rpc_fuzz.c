/* The payload of a request. What is accepted is an object that cJSON writes and reads again with the same meaning. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include "json.h"
#include "rpc_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cJSON *params, *same;
    enum status status = rpc_request_parse((struct slice){(const char *)data, size}, &params);
    if (status == STATUS_NO_MEMORY) /* the scan let through what cJSON did not take */
        abort();
    /* a text of integers only is also one without that rule */
    if (json_parse((struct slice){(const char *)data, size}, true, &same) == STATUS_OK) {
        if (cJSON_IsObject(same) && size <= LIMIT_RPC_BYTES && status != STATUS_OK)
            abort();
        cJSON_Delete(same);
    }
    if (status != STATUS_OK)
        return 0;
    if (!cJSON_IsObject(params))
        abort();
    char *text = cJSON_PrintUnformatted(params);
    same = text != NULL ? cJSON_Parse(text) : NULL;
    if (same == NULL || !cJSON_Compare(params, same, true))
        abort();
    free(text);
    cJSON_Delete(same);
    cJSON_Delete(params);
    return 0;
}
