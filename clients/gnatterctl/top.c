/* top: what the service does now, each second again. All of it comes from its status socket. */
#include "output.h"
#include "process.h"
#include "screen.h"
#include "state.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVERY_MS   1000
#define ROWS_SHOWN 5 /* of each list: all fits 24 lines */

struct sample {
    cJSON *service; /* NULL: it does not answer */
    int64_t at_ms;
};

/* What happened between two samples, per second. */
struct rates {
    bool are_known; /* false: one is missing, or the service was started again in between */
    double messages, duplicates, pushed, redelivered, requests, errors, refused, sent_bytes;
    double connections, turned_away;     /* by the brokers */
    const char *turned_away_why;         /* each reason, as far as there was one */
    double batch, append_ms, request_ms; /* means; negative: there was nothing */
};

static void sample_take(const struct node *node, struct sample *sample)
{
    cJSON_Delete(sample->service);
    *sample = (struct sample){node_ask_service(node), clock_ms()};
}

static const cJSON *in_counters(const cJSON *service, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(service, key);
    return item ? item : cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItem(service, "counters"), key);
}

static double number(const cJSON *service, const char *key)
{
    const cJSON *item = in_counters(service, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static double between(const struct sample *old, const struct sample *new, const char *key)
{
    return number(new->service, key) - number(old->service, key);
}

static double mean(const struct sample *old, const struct sample *new, const char *sum, const char *count)
{
    double times = between(old, new, count);
    return times > 0 ? between(old, new, sum) / times : -1;
}

/* What the brokers' plugins counted under that name, of all links together. */
static double counted(const struct sample *sample, const char *key, bool is_refused)
{
    const cJSON *link;
    double sum = 0;
    cJSON_ArrayForEach(link, cJSON_GetObjectItem(sample->service, "links"))
    {
        const cJSON *broker = cJSON_GetObjectItem(link, "broker");
        const cJSON *item = cJSON_GetObjectItem(is_refused ? cJSON_GetObjectItem(broker, "refused") : broker, key);
        sum += cJSON_IsNumber(item) ? item->valuedouble : 0;
    }
    return sum;
}

/* One started again in between counts from 0. */
static double counted_between(const struct sample *old, const struct sample *new, const char *key, bool is_refused)
{
    double more = counted(new, key, is_refused) - counted(old, key, is_refused);
    return more > 0 ? more : 0;
}

static void add_turned_away(struct rates *rates, const struct sample *old, const struct sample *new, double seconds)
{
    const cJSON *reason, *link = cJSON_GetArrayItem(cJSON_GetObjectItem(new->service, "links"), 0);
    rates->connections = counted_between(old, new, "connections", false) / seconds;
    rates->turned_away_why = "";
    cJSON_ArrayForEach(reason, cJSON_GetObjectItem(cJSON_GetObjectItem(link, "broker"), "refused"))
    {
        double per_s = counted_between(old, new, reason->string, true) / seconds;
        rates->turned_away += per_s;
        if (per_s > 0)
            rates->turned_away_why = text_format("%s  %s %.1f", rates->turned_away_why, reason->string, per_s);
    }
}

static struct rates rates_of(const struct sample *old, const struct sample *new)
{
    struct rates rates = {0};
    if (!old->service || !new->service || number(old->service, "pid") != number(new->service, "pid") ||
        number(old->service, "since") != number(new->service, "since") || new->at_ms <= old->at_ms)
        return rates;
    double seconds = (double)(new->at_ms - old->at_ms) / 1000;
    rates = (struct rates){
        .are_known = true,
        .messages = between(old, new, "appended") / seconds,
        .duplicates = between(old, new, "duplicates") / seconds,
        .pushed = between(old, new, "pushed") / seconds,
        .redelivered = between(old, new, "redelivered") / seconds,
        .requests = between(old, new, "rpcs") / seconds,
        .errors = between(old, new, "rpc_errors") / seconds,
        .refused = between(old, new, "records_refused") / seconds,
        .sent_bytes = between(old, new, "bytes_sent") / seconds,
        .batch = mean(old, new, "append_items", "appends"),
        .append_ms = mean(old, new, "append_us", "appends") / 1000,
        .request_ms = mean(old, new, "rpc_us", "rpcs_answered") / 1000,
    };
    add_turned_away(&rates, old, new, seconds);
    return rates;
}

/* ---- as JSON ---- */
static void add_mean(cJSON *object, const char *key, double value)
{
    (void)cJSON_AddItemToObject(object, key, value < 0 ? cJSON_CreateNull() : cJSON_CreateNumber(value));
}

static void print_json(const struct rates *rates, const struct sample *old, struct sample *new)
{
    cJSON *object = cJSON_CreateObject(), *per_s = rates->are_known ? cJSON_CreateObject() : cJSON_CreateNull();
    (void)cJSON_AddNumberToObject(object, "interval_s", (double)(new->at_ms - old->at_ms) / 1000);
    (void)cJSON_AddItemToObject(object, "per_s", per_s);
    if (rates->are_known) {
        const struct {
            const char *key;
            double value;
        } values[] = {{"messages", rates->messages},       {"duplicates", rates->duplicates},
                      {"pushed", rates->pushed},           {"redelivered", rates->redelivered},
                      {"requests", rates->requests},       {"request_errors", rates->errors},
                      {"records_refused", rates->refused}, {"sent_bytes", rates->sent_bytes},
                      {"connections", rates->connections}, {"refused", rates->turned_away}};
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
            (void)cJSON_AddNumberToObject(per_s, values[i].key, values[i].value);
        add_mean(object, "batch_messages", rates->batch);
        add_mean(object, "append_ms", rates->append_ms);
        add_mean(object, "request_ms", rates->request_ms);
    }
    (void)cJSON_AddItemToObject(object, "service", new->service);
    new->service = NULL; /* it is the object's now */
    output_json(object);
}

/* ---- for people ---- */
static const char *since(const cJSON *service)
{
    double s = (double)time(NULL) - number(service, "since");
    if (s < 120)
        return text_format("%.0f s", s);
    if (s < 2 * 3600)
        return text_format("%.0f min", s / 60);
    return s < 2 * 86400 ? text_format("%.0f h", s / 3600) : text_format("%.0f days", s / 86400);
}

static const char *mean_text(double value, const char *unit)
{
    return value < 0 ? "-" : text_format("%.1f%s", value, unit);
}

static void print_rates(FILE *out, const struct rates *rates)
{
    if (!rates->are_known) {
        fprintf(out, "rates       not known yet: the service was just started\n");
        return;
    }
    fprintf(out, "per second  messages %.1f  pushed %.1f  again %.1f  duplicates %.1f  refused %.1f\n", rates->messages,
            rates->pushed, rates->redelivered, rates->duplicates, rates->refused);
    fprintf(out, "            requests %.1f  errors %.1f  %.1f kB sent\n", rates->requests, rates->errors,
            rates->sent_bytes / 1000);
    fprintf(out, "brokers     connections %.1f  refused %.1f%s\n", rates->connections, rates->turned_away,
            rates->turned_away_why);
    fprintf(out, "append      %s messages a batch, %s       request %s\n", mean_text(rates->batch, ""),
            mean_text(rates->append_ms, " ms"), mean_text(rates->request_ms, " ms"));
}

static void print_rows(FILE *out, const cJSON *service, const char *key)
{
    const cJSON *row;
    int left = ROWS_SHOWN;
    fprintf(out, "\n%-8s %-58s %10s %10s\n", key, "conversation", "messages/s", "append ms");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(service, key))
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(row, "conversation"));
        if (left-- > 0)
            fprintf(out, "         %-58s %10.1f %10.1f\n", name ? name : "?", number(row, "messages_per_s"),
                    number(row, "append_ms"));
    }
}

static void print_text(FILE *out, const cJSON *service, const struct rates *rates)
{
    const cJSON *link;
    const cJSON *push = cJSON_GetObjectItem(service, "push");
    fprintf(out, "service     up %s, database %s, %.0f shards\n", since(service),
            cJSON_IsTrue(cJSON_GetObjectItem(service, "database")) ? "connected" : "away", number(service, "shards"));
    fprintf(out, "devices     %.0f connected, %.0f subscribed, %.0f behind\n", number(service, "sessions"),
            number(service, "live"), number(service, "behind"));
    print_rates(out, rates);
    fprintf(out, "waiting     %.0f pending, %.0f not acknowledged\n", number(service, "pending"),
            number(service, "outstanding"));
    cJSON_ArrayForEach(link, cJSON_GetObjectItem(service, "links"))
    {
        const char *uri = cJSON_GetStringValue(cJSON_GetObjectItem(link, "uri"));
        fprintf(out, "link        %s %s, journal backlog %.0f, outbox %.0f kB\n", uri ? uri : "?",
                cJSON_IsTrue(cJSON_GetObjectItem(link, "up")) ? "up" : "down", number(link, "journal_backlog"),
                number(link, "outbox_bytes") / 1000);
    }
    if (push)
        fprintf(out, "push        %.0f devices, %.0f wake-ups waiting\n", number(push, "registrations"),
                number(push, "waiting"));
    print_rows(out, service, "busiest");
    print_rows(out, service, "slowest");
}

/* The text is whole before any of it is shown. */
static void show(const struct screen *screen, const struct sample *new, const struct rates *rates)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return; /* the next second, perhaps */
    if (new->service)
        print_text(out, new->service, rates);
    else
        fprintf(out, "service     does not answer; gnatterctl status says more\n");
    if (fclose(out) == 0)
        screen_show(screen, text);
    free(text);
}

static void watch(const struct node *node, struct sample samples[2])
{
    struct screen screen;
    screen_begin(&screen);
    for (int new = 1; screen_wait(&screen, EVERY_MS); new = !new) {
        const void *mark = text_mark();
        sample_take(node, &samples[new]);
        struct rates rates = rates_of(&samples[!new], &samples[new]);
        show(&screen, &samples[new], &rates);
        text_release(mark);
    }
    screen_end(&screen);
}

enum result command_top(struct args *args)
{
    struct node node;
    struct sample samples[2] = {{0}, {0}};
    enum result result = node_open(args, &node);
    if (result != DONE)
        return result;
    sample_take(&node, &samples[0]);
    if (samples[0].service && (args->once || args->json)) {
        nap_ms(EVERY_MS);
        sample_take(&node, &samples[1]);
    } else if (samples[0].service) {
        watch(&node, samples);
        goto out;
    }
    if (!samples[1].service) {
        result = fail("the service does not answer; gnatterctl status says more");
        goto out;
    }
    struct rates rates = rates_of(&samples[0], &samples[1]);
    if (args->json)
        print_json(&rates, &samples[0], &samples[1]);
    else
        print_text(stdout, samples[1].service, &rates);
out:
    cJSON_Delete(samples[0].service);
    cJSON_Delete(samples[1].service);
    node_close(&node);
    return result;
}
